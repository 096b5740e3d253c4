package stacktest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// SecureDatabase gives the stack's Postgres a certificate and its key, both in PEM. Clients that want TLS get it from then
// on, the others go on without.
func (s *Stack) SecureDatabase(ctx context.Context, certificate, key []byte) error {
	admin, err := pgx.Connect(ctx, s.PostgresURLs["superuser"])
	if err != nil {
		return err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	var data string
	if err := admin.QueryRow(ctx, "SHOW data_directory").Scan(&data); err != nil {
		return err
	}
	owner, err := os.Stat(data)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"server.crt": certificate, "server.key": key} {
		file := filepath.Join(data, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
		if as, ok := owner.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
			if err := os.Chown(file, int(as.Uid), int(as.Gid)); err != nil {
				return err
			}
		}
	}
	for _, statement := range []string{"ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"} {
		if _, err := admin.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
