package postgrestest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/postgres"
)

// Role says whose login a URL is.
type Role string

// The logins of a test's database.
const (
	Superuser Role = "superuser" // owns the schema
	Frontend  Role = "frontend"  // in llmgw_frontend
	Worker    Role = "worker"    // in llmgw_worker
	Auditor   Role = "auditor"   // in llmgw_auditor
)

// Server is a test's own database.
type Server struct {
	super    string // URL of the superuser, to any database
	database string
}

// Start answers a fresh, migrated database that is dropped when the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	c := running(tb)
	return c.create(tb, c.template)
}

// StartEmpty is Start without the migrations.
func StartEmpty(tb testing.TB) *Server {
	tb.Helper()
	return running(tb).create(tb, "template0")
}

// URL is the URL of the database, with the login of the role.
func (s *Server) URL(role Role) string {
	u, err := url.Parse(s.super)
	if err != nil {
		panic(err) // it was parsed before
	}
	u.Path = "/" + s.database
	if role != Superuser {
		u.User = url.UserPassword(login(role), login(role))
	}
	return u.String()
}

// Exec runs SQL as the superuser, past all that the gateway may do.
func (s *Server) Exec(tb testing.TB, sql string) {
	tb.Helper()
	if err := run(context.WithoutCancel(tb.Context()), s.URL(Superuser), sql); err != nil { // in a cleanup, too
		tb.Fatal(err)
	}
}

// Int answers a query of the superuser that has one number for its answer.
func (s *Server) Int(tb testing.TB, sql string, args ...any) (n int64) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), s.URL(Superuser))
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(tb.Context()))
	if err := conn.QueryRow(tb.Context(), sql, args...).Scan(&n); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return n
}

func login(role Role) string { return "llmgw_test_" + string(role) }

// cluster is the server that all tests of the process share.
type cluster struct {
	super    string    // URL of the superuser
	template string    // a migrated database to copy
	hold     io.Closer // closed, or collected, it stops the server
}

func running(tb testing.TB) cluster {
	tb.Helper()
	c, err := shared()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// shared starts the server at the first call. It is the one variable of the package because go test has no other
// place for what all tests of a process share.
var shared = sync.OnceValues(func() (cluster, error) { //nolint:gochecknoglobals // see above
	ctx := context.Background()
	if u := os.Getenv("LLMGW_TEST_POSTGRES_URL"); u != "" {
		return prepare(ctx, u)
	}
	u, hold, err := serve(ctx)
	if err != nil {
		return cluster{}, err
	}
	c, err := prepare(ctx, u)
	c.hold = hold
	return c, err
})

// prepare makes the migrated template and the logins.
func prepare(ctx context.Context, super string) (cluster, error) {
	c := cluster{super: super, template: "llmgw_template_" + uuid.NewString()}
	if err := run(ctx, super, `CREATE DATABASE "`+c.template+`" TEMPLATE template0`); err != nil {
		return c, err
	}
	migrated := Server{super: super, database: c.template}
	if err := postgres.Migrate(ctx, migrated.URL(Superuser), slog.New(slog.DiscardHandler)); err != nil {
		return c, err
	}
	for _, role := range []Role{Frontend, Worker, Auditor} {
		err := run(ctx, super, fmt.Sprintf(`CREATE ROLE %[1]s LOGIN PASSWORD '%[1]s' IN ROLE llmgw_%[2]s`, login(role), role))
		if err != nil && !strings.Contains(err.Error(), "already exists") && !strings.Contains(err.Error(), "duplicate key") {
			return c, err
		}
	}
	return c, nil
}

func (c cluster) create(tb testing.TB, template string) *Server {
	tb.Helper()
	s := &Server{super: c.super, database: "llmgw_" + uuid.NewString()}
	if err := run(tb.Context(), c.super, `CREATE DATABASE "`+s.database+`" TEMPLATE "`+template+`"`); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := run(context.WithoutCancel(tb.Context()), c.super, `DROP DATABASE "`+s.database+`" WITH (FORCE)`); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func run(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}
