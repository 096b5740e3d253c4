package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	intentColumns = `i.id, i.admitted_at, i.subject, i.user_name, i.tier, i.endpoint, i.model_requested, i.session,
	i.stream, i.window_start, i.window_reset`

	// lastTarget is where an ended request was last sent to. An outcome without a target means that of its intent.
	lastTarget = `coalesce(nullif(o.model_routed, ''), i.model_routed), coalesce(nullif(o.backend, ''), i.backend)`

	// joinLast adds to an intent the last of its attempts after the first, if there is one.
	joinLast = `LEFT JOIN LATERAL (
			SELECT a.n, a.backend, a.model FROM attempts a WHERE a.request_id = i.id ORDER BY a.n DESC LIMIT 1
		) last ON true`
)

// Pending answers the ended requests that the ledger does not have yet, the oldest first, without those in exclude.
func (db *DB) Pending(ctx context.Context, exclude []uuid.UUID, limit int) ([]gateway.Entry, error) {
	return query(ctx, db, "pending", scanEntry, `
		SELECT `+intentColumns+`, `+lastTarget+`, o.attempts, o.cost_nanos, o.ended_at, o.status, o.http_status, o.error,
			o.stop_reason, o.input_tokens, o.output_tokens, o.cache_read_tokens, o.cache_write_tokens, o.usage_estimated,
			o.charge_requests, o.charge_tokens
		FROM outcomes o JOIN intents i USING (id)
		WHERE o.id <> ALL ($1)
		ORDER BY o.id LIMIT $2`, ids(exclude), limit)
}

// LongRunning answers the requests that were staged at least age ago and have not ended, the oldest first, without
// those in exclude and the items of batches. Their status is [gateway.Streaming], their charge and cost are what they were admitted with.
func (db *DB) LongRunning(ctx context.Context, age time.Duration, exclude []uuid.UUID, limit int) ([]gateway.Entry, error) {
	return query(ctx, db, "long running", scanEntry, `
		SELECT `+intentColumns+`, coalesce(last.model, i.model_routed), coalesce(last.backend, i.backend),
			coalesce(last.n, 1), i.cost_nanos, NULL::timestamptz, 'streaming', 0, '', '', 0::bigint, 0::bigint, 0::bigint,
			0::bigint, false, i.charge_requests, i.charge_tokens
		FROM intents i `+joinLast+`
		WHERE i.batch_id IS NULL AND i.staged_at <= now() - $1::interval AND i.id <> ALL ($2)
			AND NOT EXISTS (SELECT FROM outcomes o WHERE o.id = i.id)
		ORDER BY i.id LIMIT $3`, age, ids(exclude), limit)
}

// Backlog answers how many ended requests wait for the ledger, and how long the oldest has waited.
func (db *DB) Backlog(ctx context.Context) (n int64, oldest time.Duration, err error) {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	err = db.pool.QueryRow(ctx, `
		SELECT count(*), coalesce(greatest(clock_timestamp() - min(staged_at), interval '0'), interval '0') FROM outcomes`,
	).Scan(&n, &oldest)
	if err != nil {
		return 0, 0, fmt.Errorf("postgres: backlog: %w", err)
	}
	return n, oldest, nil
}

func scanEntry(row pgx.CollectableRow) (e gateway.Entry, err error) {
	var ended *time.Time
	err = row.Scan(&e.ID, &e.AdmittedAt, &e.Subject, &e.User, &e.Tier, &e.Endpoint, &e.ModelRequested, &e.Session,
		&e.Stream, &e.Window.Start, &e.Window.Reset, &e.Target.Model, &e.Target.Backend, &e.Attempts, &e.Cost,
		&ended, &e.Status, &e.HTTPStatus, &e.Error, &e.StopReason, &e.Usage.Input,
		&e.Usage.Output, &e.Usage.CacheRead, &e.Usage.CacheWrite, &e.Usage.Estimated, &e.Charge.Requests, &e.Charge.Tokens)
	if ended != nil {
		e.EndedAt = ended.UTC()
	}
	e.AdmittedAt, e.Window.Start, e.Window.Reset = e.AdmittedAt.UTC(), e.Window.Start.UTC(), e.Window.Reset.UTC()
	return e, err
}
