package temporal

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/temporal"
	"go.temporal.io/server/tools/common/schema"
	"go.temporal.io/server/tools/sql"
)

// RunFile runs the server as its own program would with a configuration file: the file is read by the server's loader,
// which fills in environment variables, and nothing is added to it. It is there to try the files that others make.
// All services that the file has run in this process, without the Web UI.
func RunFile(ctx context.Context, file string) error {
	conf, err := config.Load(config.WithConfigFile(file))
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "warn", Format: "console"}))
	if err := updateSchemas(conf.Persistence, logger); err != nil {
		return err
	}
	authorizer, err := authorization.GetAuthorizerFromConfig(&conf.Global.Authorization)
	if err != nil {
		return fmt.Errorf("configure temporal: %w", err)
	}
	claims, err := authorization.GetClaimMapperFromConfig(&conf.Global.Authorization, logger)
	if err != nil {
		return fmt.Errorf("configure temporal: %w", err)
	}
	audience, err := authorization.GetAudienceMapperFromConfig(&conf.Global.Authorization)
	if err != nil {
		return fmt.Errorf("configure temporal: %w", err)
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(conf),
		temporal.ForServices(slices.Sorted(maps.Keys(conf.Services))),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithAudienceGetter(func(*config.Config) authorization.JWTAudienceMapper { return audience }),
	)
	if err != nil {
		return fmt.Errorf("configure temporal: %w", err)
	}
	return serve(ctx, server)
}

// updateSchemas brings the databases to the newest schema step by step, as the server's own tool does it: it creates no
// database, and drops nothing.
func updateSchemas(stores config.Persistence, logger log.Logger) error {
	for name, family := range map[string]string{
		stores.DefaultStore:    "postgresql/v12/temporal",
		stores.VisibilityStore: "postgresql/v12/visibility",
	} {
		store := stores.DataStores[name].SQL
		if store == nil {
			return fmt.Errorf("the store %q is not in PostgreSQL", name)
		}
		if err := updateSchema(store, family, logger); err != nil {
			return fmt.Errorf("update the schema of %s: %w", store.DatabaseName, err)
		}
	}
	return nil
}

func updateSchema(store *config.SQL, family string, logger log.Logger) error {
	connection, err := sql.NewConnection(store, logger)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := schema.NewSetupSchemaTask(connection, &schema.SetupConfig{InitialVersion: "0.0"}, logger).Run(); err != nil {
		return err
	}
	return schema.NewUpdateSchemaTask(connection, &schema.UpdateConfig{SchemaName: family}, logger).Run()
}
