package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Settle replaces reservations by their final charges, each exactly once however often it is called. The ledger rows
// of the requests must be committed. After an error the same settlements may be given again.
func (q *Quota) Settle(ctx context.Context, settlements ...gateway.Settlement) error {
	replies, err := q.run(ctx, settlements, q.settle.EvalSha)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		// Redis does not know the script (it was restarted). What was settled before it forgot is not counted twice.
		replies, err = q.run(ctx, settlements, q.settle.Eval)
	}
	if err != nil {
		return fmt.Errorf("redis: settle: %w", err)
	}
	var errs []error
	for i, reply := range replies {
		doubted, err := reply.StringSlice()
		switch {
		case err != nil:
			errs = append(errs, err)
		case len(doubted) == 3:
			errs = append(errs, q.compare(ctx, settlements[i], doubted))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("redis: settle: %w", err)
	}
	return nil
}

type evaluate func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// run sends all settlements in one round trip. The error is the first of any of them.
func (q *Quota) run(ctx context.Context, settlements []gateway.Settlement, eval evaluate) ([]*redis.Cmd, error) {
	replies := make([]*redis.Cmd, len(settlements))
	_, err := q.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, s := range settlements {
			key := windowKey(s.Subject, s.Window)
			replies[i] = eval(ctx, pipe, []string{key, key + lateSuffix},
				s.ID.String(), s.Charge.Requests, s.Charge.Tokens, s.Reserved, int(keepLate.Seconds()))
		}
		return nil
	})
	return replies, err
}

// compare corrects a window that is in doubt to what the source says. It does so only while nothing is open, here
// and there: then each request of the window is in the ledger, and its sums are the truth. Otherwise the doubt stays,
// and the settlement that closes the last reservation brings us here again.
func (q *Quota) compare(ctx context.Context, s gateway.Settlement, doubted []string) error {
	snap, err := q.source.Snapshot(ctx, s.Subject, s.Window)
	if err != nil {
		return fmt.Errorf("compare window: %w", err)
	}
	if len(snap.Open) > 0 {
		return nil
	}
	err = q.reconcile.Run(ctx, q.client, []string{windowKey(s.Subject, s.Window)},
		doubted[0], doubted[1], doubted[2], snap.Settled.Requests, snap.Settled.Tokens).Err()
	if err != nil {
		return fmt.Errorf("compare window: %w", err)
	}
	return nil
}
