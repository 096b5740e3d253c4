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
	charged := make([]gateway.Settlement, 0, len(settlements))
	for _, s := range settlements {
		if s.Reserved || s.Charge != (gateway.Charge{}) { // others were never counted
			charged = append(charged, s)
		}
	}
	replies, err := q.run(ctx, charged, q.settle.EvalSha)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		// Redis does not know the script (it was restarted). What was settled before it forgot is not counted twice.
		replies, err = q.run(ctx, charged, q.settle.Eval)
	}
	if err != nil {
		return fmt.Errorf("redis: settle: %w", err)
	}
	doubted := map[string]gateway.Settlement{}
	for i, reply := range replies {
		if unknown, _ := reply.Int(); unknown == 1 {
			doubted[keys(charged[i].Subject, charged[i].Window)[0]] = charged[i]
		}
	}
	var errs []error
	for _, s := range doubted {
		// A window that changes too fast is left to the next one who looks.
		if _, err := q.rebuild(ctx, s.Subject, s.Window, false); err != nil && !errors.Is(err, gateway.ErrWindowBusy) {
			errs = append(errs, fmt.Errorf("redis: settle: compare window: %w", err))
		}
	}
	return errors.Join(errs...)
}

type evaluate func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// run sends all settlements in one round trip. The error is the first of any of them.
func (q *Quota) run(ctx context.Context, settlements []gateway.Settlement, eval evaluate) ([]*redis.Cmd, error) {
	replies := make([]*redis.Cmd, len(settlements))
	_, err := q.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, s := range settlements {
			replies[i] = eval(ctx, pipe, keys(s.Subject, s.Window), s.ID.String(), s.Charge.Requests, s.Charge.Tokens, s.Class)
		}
		return nil
	})
	return replies, err
}
