package postgres

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

// CheckSchema tells whether the database has every migration that this build knows; it may have newer ones. The error
// says what to do.
func (db *DB) CheckSchema(ctx context.Context) error {
	need, err := newestMigration()
	if err != nil {
		return err
	}
	applied, err := query(ctx, db, "read the version of the schema", pgx.RowTo[int64],
		`SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`)
	if err != nil {
		return fmt.Errorf("%w (a database that was never migrated, or that an older build migrated last: run worker migrate)", err)
	}
	if applied[0] < need {
		return fmt.Errorf("postgres: the schema is at version %d, and this build needs %d: run worker migrate", applied[0], need)
	}
	return nil
}

// newestMigration is the version that the newest of the embedded migrations brings.
func newestMigration() (int64, error) {
	files, err := fs.ReadDir(migrations, "migrations") // in order; there is one, or this would not compile
	if err != nil {
		return 0, fmt.Errorf("postgres: %w", err)
	}
	return goose.NumericComponent(files[len(files)-1].Name())
}
