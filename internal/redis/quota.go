package redis

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"
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

//go:embed begin.lua
var beginLua string

//go:embed install.lua
var installLua string

// Source is what knows a window when Redis does not: the database.
type Source interface {
	Snapshot(ctx context.Context, subject string, w gateway.Window, asked []uuid.UUID) (gateway.Snapshot, error)
}

// Quota counts what is used of windows. It is safe for concurrent use.
type Quota struct {
	client redis.UniversalClient
	source Source
	place  time.Duration      // that the place of a request is held for without being renewed
	flight singleflight.Group // one rebuild of a window at a time

	mu   sync.Mutex
	held map[uuid.UUID]string // requests with a place, and their subjects

	reserve, settle, begin, install *redis.Script
}

// Open makes a Quota on the Redis at the URL: redis://user:password@host:port/db or rediss://…; with
// addr=host:port parameters for further nodes it is a cluster. Timeouts and pool sizes are parameters of the URL, too
// (dial_timeout, read_timeout, pool_size, …). It does not connect. The caller closes the Quota.
//
// The place of a request that runs lapses after the given time, unless its process keeps it up.
func Open(cfg config.Redis, place time.Duration, source Source) (*Quota, error) {
	// The hand-shake for maintenance notices is for one vendor's service.
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if strings.Contains(cfg.URL, "addr=") {
		options, err := redis.ParseClusterURL(cfg.URL)
		if err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
		options.MaintNotificationsConfig = quiet
		options.Username, options.Password = cmp.Or(cfg.Username, options.Username), cmp.Or(cfg.Password, options.Password)
		return NewQuota(redis.NewClusterClient(options), place, source), nil
	}
	options, err := redis.ParseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	options.MaintNotificationsConfig = quiet
	options.Username, options.Password = cmp.Or(cfg.Username, options.Username), cmp.Or(cfg.Password, options.Password)
	options.ContextTimeoutEnabled = true // a caller's deadline bounds the call
	return NewQuota(redis.NewClient(options), place, source), nil
}

// NewQuota makes a Quota on a client, which it owns.
func NewQuota(client redis.UniversalClient, place time.Duration, source Source) *Quota {
	return &Quota{
		client: client, source: source, place: place, held: map[uuid.UUID]string{},
		reserve: redis.NewScript(reserveLua), settle: redis.NewScript(settleLua),
		begin: redis.NewScript(beginLua), install: redis.NewScript(installLua),
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
