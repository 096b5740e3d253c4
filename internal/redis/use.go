package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Use answers what a subject uses now, and of a window: of all, and of the classes.
func (q *Quota) Use(ctx context.Context, subject string, w gateway.Window, classes ...string) (gateway.Use, error) {
	for range attempts {
		use, warm, err := q.look(ctx, subject, w, classes)
		if err != nil {
			return gateway.Use{}, fmt.Errorf("redis: use: %w", err)
		}
		if warm {
			return use, nil
		}
		if err := q.warm(ctx, subject, w); err != nil {
			return gateway.Use{}, fmt.Errorf("redis: use: %w", err)
		}
	}
	return gateway.Use{}, fmt.Errorf("redis: use: %w", errVanishes)
}

// look is Use, unless the window is cold.
func (q *Quota) look(ctx context.Context, subject string, w gateway.Window, classes []string) (use gateway.Use, warm bool, err error) {
	names := []string{"requests", "tokens"}
	for _, class := range classes {
		names = append(names, "requests:"+class, "tokens:"+class)
	}
	var (
		key     = keys(subject, w)
		now     = time.Now()
		fields  *redis.SliceCmd
		minute  *redis.ZSliceCmd
		running *redis.IntCmd
	)
	_, err = q.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		fields = pipe.HMGet(ctx, key[0], names...)
		minute = pipe.ZRangeByScoreWithScores(ctx, key[1], &redis.ZRangeBy{Min: "(" + millis(now.Add(-time.Minute)), Max: "+inf"})
		running = pipe.ZCount(ctx, key[2], "("+millis(now), "+inf")
		return nil
	})
	if err != nil || fields.Val()[0] == nil {
		return use, false, err
	}
	if use.Day, err = used(fields.Val()[:2]); err != nil {
		return use, false, err
	}
	use.Classes = make(map[string]gateway.Used, len(classes))
	for i, class := range classes {
		if use.Classes[class], err = used(fields.Val()[2+2*i : 4+2*i]); err != nil {
			return use, false, err
		}
	}
	use.Minute, use.Running = int64(len(minute.Val())), running.Val()
	if use.Minute > 0 {
		use.MinuteFree = time.UnixMilli(int64(minute.Val()[0].Score)).Add(time.Minute)
	}
	return use, true, nil
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// used reads two fields: requests and tokens. What is missing is none.
func used(fields []any) (u gateway.Used, err error) {
	for i, into := range []*int64{&u.Requests, &u.Tokens} {
		if text, ok := fields[i].(string); ok {
			if *into, err = strconv.ParseInt(text, 10, 64); err != nil {
				return u, err
			}
		}
	}
	return u, nil
}
