package temporal

import (
	"fmt"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	// The driver registers itself.
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	schemav12 "go.temporal.io/server/schema/postgresql/v12"
	"go.temporal.io/server/tools/common/schema"
	"go.temporal.io/server/tools/sql"
)

// prepareSchemas brings both databases to the version the server wants. The
// statements are part of the server's module, so nothing is read from disk.
func (p Postgres) prepareSchemas(logger log.Logger) error {
	if err := prepareSchema(p.store(p.Database, 1), "postgresql/v12/temporal", schemav12.Version, logger); err != nil {
		return err
	}
	return prepareSchema(p.store(p.VisibilityDatabase, 1), "postgresql/v12/visibility", schemav12.VisibilityVersion, logger)
}

// prepareSchema creates the newest schema in an empty database, and updates an
// older one step by step.
func prepareSchema(store *config.SQL, name, version string, logger log.Logger) error {
	connection, err := sql.NewConnection(store, logger)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", store.DatabaseName, err)
	}
	defer connection.Close()
	if _, err := connection.ReadSchemaVersion(); err != nil {
		// The version is written last: without one, tables are the remains of
		// an interrupted set-up, and Overwrite drops them.
		setup := &schema.SetupConfig{SchemaName: name, InitialVersion: version, Overwrite: true}
		if err := schema.NewSetupSchemaTask(connection, setup, logger).Run(); err != nil {
			return fmt.Errorf("create the schema of %s: %w", store.DatabaseName, err)
		}
		return nil
	}
	update := &schema.UpdateConfig{SchemaName: name}
	if err := schema.NewUpdateSchemaTask(connection, update, logger).Run(); err != nil {
		return fmt.Errorf("update the schema of %s: %w", store.DatabaseName, err)
	}
	return nil
}
