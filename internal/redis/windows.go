package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const page = 500 // keys that are looked at in one round trip

// Windows calls fn for each window that is there. It goes through all of them, and may come to one twice; it stops at the
// first error of fn.
func (q *Quota) Windows(ctx context.Context, fn func(gateway.OpenWindow) error) error {
	if cluster, ok := q.client.(*redis.ClusterClient); ok {
		one := make(chan struct{}, 1) // nodes are looked at in parallel, fn is called for one window at a time
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return windows(ctx, node, func(w gateway.OpenWindow) error {
				one <- struct{}{}
				defer func() { <-one }()
				return fn(w)
			})
		})
	}
	return windows(ctx, q.client, fn)
}

func windows(ctx context.Context, node redis.Cmdable, fn func(gateway.OpenWindow) error) error {
	var cursor uint64
	for {
		found, next, err := node.ScanType(ctx, cursor, prefix+"*", page, "hash").Result()
		if err != nil {
			return fmt.Errorf("redis: windows: %w", err)
		}
		hashes := make(map[string]*redis.MapStringStringCmd, len(found))
		_, err = node.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, key := range found {
				hashes[key] = pipe.HGetAll(ctx, key)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("redis: windows: %w", err)
		}
		for key, fields := range hashes {
			w, err := openWindow(key, fields.Val())
			if errors.Is(err, errCold) {
				continue // or it was deleted since
			}
			if err == nil {
				err = fn(w)
			}
			if err != nil {
				return fmt.Errorf("redis: windows: %w", err)
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

var errCold = errors.New("the window is being restored")

func openWindow(key string, fields map[string]string) (w gateway.OpenWindow, err error) {
	if fields["reset"] == "" {
		return w, errCold
	}
	if w.Subject, w.Window.Start, err = parseKey(key); err != nil {
		return w, err
	}
	// The key has the start to the minute, which is not enough for every zone. A window of the version before has no more.
	for name, into := range map[string]*time.Time{"start": &w.Window.Start, "reset": &w.Window.Reset} {
		text, ok := fields[name]
		if !ok {
			continue
		}
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return w, fmt.Errorf("%s of %q: %w", name, key, err)
		}
		*into = time.Unix(at, 0).UTC()
	}
	for field := range fields {
		if id, ok := parseID(field); ok {
			w.Open = append(w.Open, id)
		}
	}
	return w, nil
}
