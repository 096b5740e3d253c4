package redis

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Leave gives back the place of a request that has ended; one that had none is passed over. After an error it lapses by
// itself.
func (q *Quota) Leave(ctx context.Context, id uuid.UUID) error {
	q.mu.Lock()
	subject, held := q.held[id]
	delete(q.held, id)
	q.mu.Unlock()
	if !held {
		return nil
	}
	if err := q.client.ZRem(ctx, placesOf(subject), id.String()).Err(); err != nil {
		return fmt.Errorf("redis: leave: %w", err)
	}
	return nil
}

// Keep keeps up the places of the requests that run in this process, until ctx ends. What it could not keep up it tries
// again before the places lapse.
func (q *Quota) Keep(ctx context.Context) {
	tick := time.NewTicker(q.place / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			q.renew(ctx, now)
		}
	}
}

// renew puts off the end of all places held, and takes away again what was given back meanwhile.
func (q *Quota) renew(ctx context.Context, now time.Time) {
	q.mu.Lock()
	held := maps.Clone(q.held)
	q.mu.Unlock()
	if len(held) == 0 {
		return
	}
	until := now.Add(q.place)
	_, _ = q.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for id, subject := range held {
			key := placesOf(subject)
			pipe.ZAdd(ctx, key, redis.Z{Score: float64(until.UnixMilli()), Member: id.String()})
			pipe.PExpireAt(ctx, key, until)
		}
		return nil
	})
	q.mu.Lock()
	for id := range q.held {
		delete(held, id)
	}
	q.mu.Unlock()
	for id, subject := range held {
		_ = q.client.ZRem(ctx, placesOf(subject), id.String()).Err() // else it lapses
	}
}

func placesOf(subject string) string { return tag(subject) + "places" }
