package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	leadRetry = time.Second     // between two tries for a lock that another holds
	leadCheck = 2 * time.Second // between two questions whether the lock's connection is alive
)

// Lead waits until this process is the only one that leads under the name, or ctx ends. lost is closed when the
// leadership is gone, at the latest a few seconds after another may have it: so what a leader does must do no harm
// when it is done twice. release gives the leadership up, and is to be called in any case.
func (db *DB) Lead(ctx context.Context, name string) (lost <-chan struct{}, release func(), err error) {
	conn, err := db.connect(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("postgres: lead %s: %w", name, err)
	}
	if err := db.lock(ctx, conn, name); err != nil {
		db.disconnect(ctx, conn)
		return nil, nil, fmt.Errorf("postgres: lead %s: %w", name, err)
	}

	// The lock lives and dies with its session, so to hold it is to watch the connection.
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer db.disconnect(watch, conn)
		for db.alive(watch, conn) {
		}
	}()
	return gone, sync.OnceFunc(func() { stop(); <-gone }), nil
}

// lock takes the lock of the name. It asks again and again and does not wait on the server, because a server that
// hangs could not be told from one that lets us wait.
func (db *DB) lock(ctx context.Context, conn *pgx.Conn, name string) error {
	for {
		var held bool
		err := db.ask(ctx, func(ctx context.Context) error {
			return conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended($1, 0))`, "llmgw.lead."+name).Scan(&held)
		})
		if err != nil || held {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leadRetry):
		}
	}
}

// alive waits a while and reports whether the connection outlived it. A connection that is closed ends the wait.
func (db *DB) alive(ctx context.Context, conn *pgx.Conn) bool {
	err := func() error {
		ctx, cancel := context.WithTimeout(ctx, leadCheck)
		defer cancel()
		return conn.PgConn().WaitForNotification(ctx)
	}()
	if err != nil && !pgconn.Timeout(err) || ctx.Err() != nil || conn.IsClosed() {
		return false
	}
	return db.ask(ctx, conn.Ping) == nil
}

func (db *DB) ask(ctx context.Context, question func(context.Context) error) error {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	return question(ctx)
}

func (db *DB) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	return pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
}

// disconnect says goodbye to the server, for a second at most, also when ctx has ended.
func (db *DB) disconnect(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // whatever it answers, the connection is closed
}
