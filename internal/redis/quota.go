package redis

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"golang.org/x/sync/singleflight"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

//go:embed reserve.lua
var reserveLua string

//go:embed settle.lua
var settleLua string

//go:embed restore.lua
var restoreLua string

//go:embed reconcile.lua
var reconcileLua string

const (
	keep     = 48 * time.Hour   // a window outlives its end by this, for requests that are settled late
	keepLate = 10 * time.Minute // longer than any snapshot is on its way
	attempts = 3                // to restore a window that vanishes again
)

// verdicts of reserve.lua.
const (
	admitted = iota
	noRequests
	noTokens
	cold
)

// Source is what knows a window when Redis does not: the database.
type Source interface {
	Snapshot(ctx context.Context, subject string, w gateway.Window) (gateway.Snapshot, error)
}

// Quota counts what is used of windows. It is safe for concurrent use.
type Quota struct {
	client redis.UniversalClient
	source Source
	flight singleflight.Group // one restore of a window at a time

	reserve, settle, restore, reconcile *redis.Script
}

// Open makes a Quota on the Redis at the URL: redis://user:password@host:port/db or rediss://…; with
// addr=host:port parameters for further nodes it is a cluster. Timeouts and pool sizes are parameters of the URL, too
// (dial_timeout, read_timeout, pool_size, …). It does not connect. The caller closes the Quota.
func Open(cfg config.Redis, source Source) (*Quota, error) {
	// The hand-shake for maintenance notices is for one vendor's service.
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if strings.Contains(cfg.URL, "addr=") {
		options, err := redis.ParseClusterURL(cfg.URL)
		if err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
		options.MaintNotificationsConfig = quiet
		options.Username, options.Password = cmp.Or(cfg.Username, options.Username), cmp.Or(cfg.Password, options.Password)
		return NewQuota(redis.NewClusterClient(options), source), nil
	}
	options, err := redis.ParseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	options.MaintNotificationsConfig = quiet
	options.Username, options.Password = cmp.Or(cfg.Username, options.Username), cmp.Or(cfg.Password, options.Password)
	options.ContextTimeoutEnabled = true // a caller's deadline bounds the call
	return NewQuota(redis.NewClient(options), source), nil
}

// NewQuota makes a Quota on a client, which it owns.
func NewQuota(client redis.UniversalClient, source Source) *Quota {
	return &Quota{
		client: client, source: source,
		reserve: redis.NewScript(reserveLua), settle: redis.NewScript(settleLua),
		restore: redis.NewScript(restoreLua), reconcile: redis.NewScript(reconcileLua),
	}
}

// Ping asks Redis for an answer.
func (q *Quota) Ping(ctx context.Context) error {
	if err := q.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: ping: %w", err)
	}
	return nil
}

// Close closes the connections.
func (q *Quota) Close() error { return q.client.Close() }

// Reserve takes a charge from a subject's window if the limits allow it, by the rule of [gateway.Limits.Admit], and
// answers what is used then. Reserving for the same id again changes nothing. An error means that nothing is known
// of the reservation; one that was made all the same is found by Stale.
func (q *Quota) Reserve(ctx context.Context, subject string, w gateway.Window, l gateway.Limits, id uuid.UUID, c gateway.Charge) (gateway.Used, gateway.Refusal, error) {
	key := windowKey(subject, w)
	for range attempts {
		reply, err := q.reserve.Run(ctx, q.client, []string{key}, id.String(), c.Requests, c.Tokens, l.Requests, l.Tokens).Int64Slice()
		if err != nil || len(reply) != 3 {
			return gateway.Used{}, "", fmt.Errorf("redis: reserve: %w", orMalformed(err))
		}
		used := gateway.Used{Requests: reply[1], Tokens: reply[2]}
		switch reply[0] {
		case admitted:
			return used, gateway.Admitted, nil
		case noRequests:
			return used, gateway.NoRequests, nil
		case noTokens:
			return used, gateway.NoTokens, nil
		}
		if err := q.warm(ctx, subject, w); err != nil {
			return gateway.Used{}, "", fmt.Errorf("redis: reserve: %w", err)
		}
	}
	return gateway.Used{}, "", fmt.Errorf("redis: reserve: %w", errVanishes)
}

// Used answers what is used of a subject's window.
func (q *Quota) Used(ctx context.Context, subject string, w gateway.Window) (gateway.Used, error) {
	for range attempts {
		fields, err := q.client.HMGet(ctx, windowKey(subject, w), "requests", "tokens").Result()
		if err != nil {
			return gateway.Used{}, fmt.Errorf("redis: used: %w", err)
		}
		requests, ok := fields[0].(string)
		tokens, _ := fields[1].(string)
		if ok {
			used, err := parseUsed(requests, tokens)
			if err != nil {
				return gateway.Used{}, fmt.Errorf("redis: used: %w", err)
			}
			return used, nil
		}
		if err := q.warm(ctx, subject, w); err != nil {
			return gateway.Used{}, fmt.Errorf("redis: used: %w", err)
		}
	}
	return gateway.Used{}, fmt.Errorf("redis: used: %w", errVanishes)
}

// warm restores a window from the source. Requests that come together share one restore.
func (q *Quota) warm(ctx context.Context, subject string, w gateway.Window) error {
	shared := context.WithoutCancel(ctx) // the first to come may leave before the others
	done := q.flight.DoChan(windowKey(subject, w), func() (any, error) {
		snap, err := q.source.Snapshot(shared, subject, w)
		if err != nil {
			return nil, fmt.Errorf("restore window: %w", err)
		}
		return nil, q.install(shared, subject, w, snap)
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case result := <-done:
		return result.Err
	}
}

func (q *Quota) install(ctx context.Context, subject string, w gateway.Window, snap gateway.Snapshot) error {
	key := windowKey(subject, w)
	expiry := w.Reset.Add(keep)
	if soonest := time.Now().Add(time.Hour); expiry.Before(soonest) {
		expiry = soonest // a window of long ago is wanted again
	}
	args := make([]any, 0, 4+3*len(snap.Open))
	args = append(args, expiry.Unix(), w.Reset.Unix(), snap.Settled.Requests, snap.Settled.Tokens)
	for _, r := range snap.Open {
		args = append(args, r.ID.String(), r.Charge.Requests, r.Charge.Tokens)
	}
	if err := q.restore.Run(ctx, q.client, []string{key, key + lateSuffix}, args...).Err(); err != nil {
		return fmt.Errorf("restore window: %w", err)
	}
	return nil
}

var (
	errMalformed = errors.New("malformed answer")
	errVanishes  = errors.New("the window vanishes as often as it is restored; is there enough memory, and no eviction?")
)

func orMalformed(err error) error {
	if err == nil {
		return errMalformed
	}
	return err
}

func parseUsed(requests, tokens string) (u gateway.Used, err error) {
	if u.Requests, err = strconv.ParseInt(requests, 10, 64); err != nil {
		return u, err
	}
	u.Tokens, err = strconv.ParseInt(tokens, 10, 64)
	return u, err
}
