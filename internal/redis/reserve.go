package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// verdict is what a number of reserve.lua means; warm is false where it could not tell.
func verdict(n int64) (refusal gateway.Refusal, warm bool) {
	all := [...]gateway.Refusal{
		gateway.Admitted, gateway.NoRequests, gateway.NoTokens, gateway.NoClassRequests, gateway.NoClassTokens, gateway.NoMinute, gateway.NoPlace,
	}
	if n < 0 || n >= int64(len(all)) {
		return "", false
	}
	return all[n], true
}

// Reserve takes a request's charge from its subject's window, if the limits allow it by the rule of
// [gateway.Limits.Admit], and answers what is used then; of the minute and the places only where they are limited. Asking for the same id again
// changes nothing, unless the reservation was lost: then it is made again, or refused. An error means that nothing is
// known of the reservation; one that was made all the same is found among the open ones.
//
// A request that is admitted under a limit of concurrent requests has a place until [Quota.Leave].
func (q *Quota) Reserve(ctx context.Context, a gateway.Ask) (gateway.Use, gateway.Refusal, error) {
	class := a.Limits.Of(a.Class)
	args := []any{
		a.ID.String(), a.Charge.Requests, a.Charge.Tokens, a.Class, a.Limits.Requests, a.Limits.Tokens, class.Requests, class.Tokens,
		a.Limits.PerMinute, a.Limits.Concurrent, a.At.UnixMilli(), a.At.Add(q.place).UnixMilli(),
	}
	for range attempts {
		reply, err := q.reserve.Run(ctx, q.client, keys(a.Subject, a.Window), args...).Int64Slice()
		if err != nil || len(reply) != 8 {
			return gateway.Use{}, "", fmt.Errorf("redis: reserve: %w", orMalformed(err))
		}
		refusal, warm := verdict(reply[0])
		if !warm {
			if err := q.warm(ctx, a.Subject, a.Window); err != nil {
				return gateway.Use{}, "", fmt.Errorf("redis: reserve: %w", err)
			}
			continue
		}
		use := gateway.Use{Day: gateway.Used{Requests: reply[1], Tokens: reply[2]}, Minute: reply[5], Running: reply[7]}
		if a.Class != "" {
			use.Classes = map[string]gateway.Used{a.Class: {Requests: reply[3], Tokens: reply[4]}}
		}
		if reply[6] > 0 {
			use.MinuteFree = time.UnixMilli(reply[6])
		}
		if refusal == gateway.Admitted && a.Limits.Concurrent >= 0 {
			q.hold(a.ID, a.Subject)
		}
		return use, refusal, nil
	}
	return gateway.Use{}, "", fmt.Errorf("redis: reserve: %w", errVanishes)
}

func (q *Quota) hold(id uuid.UUID, subject string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held[id] = subject
}
