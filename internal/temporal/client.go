package temporal

import (
	"context"
	"fmt"
	"log/slog"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/openova-io/llm-gateway/internal/config"
)

// Dial makes a client that connects when it is first used, so it does not fail because Temporal is away. The caller
// closes it.
func Dial(cfg config.Temporal, log *slog.Logger) (client.Client, error) {
	secured, err := connection(cfg.TLS)
	if err != nil {
		return nil, err
	}
	c, err := client.NewLazyClient(client.Options{
		HostPort:          cfg.Address,
		Namespace:         cfg.Namespace,
		ConnectionOptions: secured,
		Credentials:       credentials(cfg.Auth),
		Logger:            sdklog.NewStructuredLogger(slog.New(quiet{log.Handler()})),
	})
	if err != nil {
		return nil, fmt.Errorf("temporal: %w", err)
	}
	return c, nil
}

// quiet lets warnings and errors pass. Below them the SDK tells of every start and every retry.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }
