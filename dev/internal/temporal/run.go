package temporal

import (
	"context"
	"fmt"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/temporal"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
)

// Run runs the server and its Web UI until the context ends.
func Run(ctx context.Context, settings Settings) error {
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "warn", Format: "console"}))
	if err := settings.Postgres.prepareSchemas(logger); err != nil {
		return err
	}
	conf := settings.serverConfig()
	authorizer, err := authorization.GetAuthorizerFromConfig(&conf.Global.Authorization)
	if err != nil {
		return fmt.Errorf("configure temporal: %w", err)
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(conf),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(settings.hosts()),
		temporal.WithDynamicConfigClient(dynamicConfig()),
		temporal.WithAuthorizer(authorizer),
		temporal.WithLogger(logger),
	)
	if err != nil {
		return fmt.Errorf("configure temporal: %w", err)
	}
	// The UI connects when it is asked for something, so it need not wait.
	ui := settings.webUI()
	go func() {
		// Start only returns after Stop: on an error it ends the process
		// itself, and the supervisor shows its last words.
		_ = ui.Start()
	}()
	defer ui.Stop()
	return serve(ctx, server)
}

// serve runs a server until the context ends.
func serve(ctx context.Context, server temporal.Server) error {
	if err := server.Start(); err != nil {
		return fmt.Errorf("start temporal: %w", err)
	}
	<-ctx.Done()
	if err := server.Stop(); err != nil {
		return fmt.Errorf("stop temporal: %w", err)
	}
	return nil
}

// webUI is the Web UI server of this cluster.
func (s Settings) webUI() *uiserver.Server {
	return uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host:                ports.Host,
		Port:                s.UIPort,
		TemporalGRPCAddress: ports.Addr(s.GRPCPort),
		DefaultNamespace:    s.Namespace,
		EnableUI:            true,
		HideLogs:            true,
		DisableNewsFetch:    true,
		CORS:                uiconfig.CORS{CookieInsecure: true}, // it is plain HTTP
	}))
}
