package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Config says how to reach the database. Only URL is needed.
type Config struct {
	URL            string        // postgres://user:password@host:port/database?sslmode=…; pool_* parameters are understood
	MaxConns       int32         // connections at most; 0 leaves it to the URL, or else to the number of CPUs
	ConnectTimeout time.Duration // for one connection to be made; 0 means 2 s
	Timeout        time.Duration // for one call, waiting for a connection included; 0 means 5 s
}

// DB is the database as one of the three roles sees it. It is safe for concurrent use.
type DB struct {
	pool    *pgxpool.Pool
	timeout time.Duration
}

// Open prepares the pool and does not connect: a database that is down is met by the first call. It fails only if
// the configuration is wrong. The caller closes the DB.
func Open(ctx context.Context, c Config) (*DB, error) {
	pc, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if c.MaxConns > 0 {
		pc.MaxConns = c.MaxConns
	}
	timeout := orDefault(c.Timeout, 5*time.Second)
	pc.ConnConfig.ConnectTimeout = orDefault(c.ConnectTimeout, 2*time.Second)
	// The server gives up a little before we do: what nobody waits for must not go on holding locks, and its error says why.
	setDefault(pc.ConnConfig.RuntimeParams, "statement_timeout", strconv.FormatInt(timeout.Milliseconds()*9/10, 10))
	setDefault(pc.ConnConfig.RuntimeParams, "application_name", "llm-gateway")
	pc.BeforeConnect = func(_ context.Context, conn *pgx.ConnConfig) error { return renew(conn, c.URL) }
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return &DB{pool: pool, timeout: timeout}, nil
}

// renew reads the files that the URL names (sslrootcert, sslcert, passfile) for a connection that is about to be made:
// certificates and passwords are replaced while the process runs.
func renew(conn *pgx.ConnConfig, url string) error {
	fresh, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	conn.TLSConfig, conn.Fallbacks, conn.Password = fresh.TLSConfig, fresh.Fallbacks, fresh.Password
	return nil
}

// Ping asks the database for an answer.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	if err := db.pool.Ping(ctx); err != nil {
		return fmt.Errorf("postgres: ping: %w", err)
	}
	return nil
}

// Close waits for the calls that are under way, and closes the connections.
func (db *DB) Close() { db.pool.Close() }

// bounded gives every call an end.
func (db *DB) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, db.timeout)
}

// exec runs one statement and answers how many rows it touched.
func (db *DB) exec(ctx context.Context, op, sql string, args ...any) (int64, error) {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	tag, err := db.pool.Exec(ctx, sql, args...)
	if err != nil {
		return 0, fmt.Errorf("postgres: %s: %w", op, fate(err))
	}
	return tag.RowsAffected(), nil
}

// query runs one statement and collects its rows.
func query[T any](ctx context.Context, db *DB, op string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	rows, err := db.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("postgres: %s: %w", op, fate(err))
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("postgres: %s: %w", op, fate(err))
	}
	return found, nil
}

// fate adds gateway.ErrFateUnknown to an error unless it is certain that nothing was committed. That is certain
// if nothing was sent, and if the server answered with an error of severity ERROR, which it does before it has
// committed. A FATAL one (an administrator's shutdown, say) may come after the commit.
func fate(err error) error {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.SeverityUnlocalized == "ERROR" {
		return blame(pgErr.Code, err)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || pgconn.SafeToRetry(err) {
		return err
	}
	return fmt.Errorf("%w: %w", gateway.ErrFateUnknown, err)
}

// blame adds gateway.ErrRecordRefused to an error that a row's content brought about: a value the types do not hold
// (class 22), a constraint (23), or a size no table takes (54).
func blame(code string, err error) error {
	switch code[:min(2, len(code))] {
	case "22", "23", "54":
		return fmt.Errorf("%w: %w", gateway.ErrRecordRefused, err)
	}
	return err
}

// gaveWay reports that nothing was written because of what others did, and that the same will go well the next time:
// the statement was the victim of a deadlock, or the partition for a row was made while the row was on its way to the
// default one. The latter is the only failed check that has no name.
func gaveWay(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code == "40P01" || pgErr.Code == "23514" && pgErr.ConstraintName == "")
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

func setDefault(params map[string]string, key, value string) {
	if _, ok := params[key]; !ok {
		params[key] = value
	}
}
