package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const page = 500 // keys that are looked at in one round trip

// Stale calls fn for each window that has reservations made longer than olderThan ago and still open. It goes
// through all windows, and may come to one twice; it stops at the first error of fn.
func (q *Quota) Stale(ctx context.Context, olderThan time.Duration, fn func(subject string, w gateway.Window, ids []uuid.UUID) error) error {
	before := time.Now().Add(-olderThan)
	if cluster, ok := q.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return stale(ctx, node, before, fn)
		})
	}
	return stale(ctx, q.client, before, fn)
}

func stale(ctx context.Context, node redis.Cmdable, before time.Time, fn func(string, gateway.Window, []uuid.UUID) error) error {
	var cursor uint64
	for {
		keys, next, err := node.Scan(ctx, cursor, prefix+"*", page).Result()
		if err != nil {
			return fmt.Errorf("redis: stale: %w", err)
		}
		windows := make(map[string]*redis.MapStringStringCmd, len(keys))
		_, err = node.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, key := range keys {
				if !strings.HasSuffix(key, lateSuffix) {
					windows[key] = pipe.HGetAll(ctx, key)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("redis: stale: %w", err)
		}
		for key, fields := range windows {
			if err := staleIn(key, fields.Val(), before, fn); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func staleIn(key string, fields map[string]string, before time.Time, fn func(string, gateway.Window, []uuid.UUID) error) error {
	var ids []uuid.UUID
	for field := range fields {
		if id, err := uuid.Parse(field); err == nil && len(field) == 36 && reservedAt(id).Before(before) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	subject, start, err := parseKey(key)
	if err != nil {
		return fmt.Errorf("redis: stale: %w", err)
	}
	reset, err := strconv.ParseInt(fields["reset"], 10, 64)
	if err != nil {
		return fmt.Errorf("redis: stale: reset of %q: %w", key, err)
	}
	return fn(subject, gateway.Window{Start: start, Reset: time.Unix(reset, 0).UTC()}, ids)
}
