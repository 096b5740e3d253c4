package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// A row and its body go in together. What the frontend runs does not name the conflict it passes over: that would take
// the right to read, which it does not have.
const (
	insertIntent = `
		WITH body AS (
			INSERT INTO bodies (request_id, kind, zstd, size, digest)
			VALUES ($1, 'request', $20, $21, $19) ON CONFLICT DO NOTHING
		)
		INSERT INTO intents (id, instance, admitted_at, subject, user_name, tier, endpoint, dialect, stream, session,
			model_requested, model_routed, backend, window_start, window_reset, charge_requests, charge_tokens,
			reserved, request_digest, cost_nanos, batch_id, batch_n, class)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $22, $23, $24::bigint, $25)`
	stageIntent = insertIntent + ` ON CONFLICT DO NOTHING`

	insertAttempt = `INSERT INTO attempts (request_id, n, at, backend, model, after_status, after_error) `
	stageAttempt  = insertAttempt + `
		VALUES ($1, $2::bigint, $3, $4, $5, $6::bigint, $7)
		ON CONFLICT DO NOTHING`
	stageOutcome = `
		WITH body AS (
			INSERT INTO bodies (request_id, kind, zstd, size, digest)
			SELECT $1::uuid, 'response', $17::bytea, $18::bigint, $16::bytea WHERE $17::bytea IS NOT NULL ON CONFLICT DO NOTHING
		)
		INSERT INTO outcomes (id, status, http_status, error, stop_reason, upstream_id, input_tokens, output_tokens,
			cache_read_tokens, cache_write_tokens, usage_estimated, charge_requests, charge_tokens, first_byte_at,
			ended_at, response_digest, backend, model_routed, attempts, cost_nanos)
		VALUES ($1, $2, $3::bigint, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $19, $20, $21::bigint, $22)
		ON CONFLICT DO NOTHING`
)

// Stage commits intents and outcomes, each with its body, and attempts, in one transaction and one round trip: all of
// them or none. A row that is there already stays as it is. An error with [gateway.ErrFateUnknown] in its chain means
// that they may be committed; with any other error they are not.
func (db *DB) Stage(ctx context.Context, intents []*gateway.Intent, attempts []*gateway.Attempt, outcomes []*gateway.Outcome) error {
	if len(intents)+len(attempts)+len(outcomes) == 0 {
		return nil
	}
	statements := []statement{{"stage_intent", stageIntent}, {"stage_attempt", stageAttempt}, {"stage_outcome", stageOutcome}}
	err := db.pipelined(ctx, statements, func(ctx context.Context, conn *pgx.Conn) error {
		return stage(ctx, conn.PgConn(), intents, attempts, outcomes)
	})
	if err != nil {
		return fmt.Errorf("postgres: stage %d intents, %d attempts and %d outcomes: %w", len(intents), len(attempts), len(outcomes), err)
	}
	return nil
}

// statement is a statement that a connection keeps prepared.
type statement struct{ name, sql string }

// pipelined has a transaction sent over a connection that knows the statements, once more if it had to give way.
func (db *DB) pipelined(ctx context.Context, statements []statement, send func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return err // nothing was sent
	}
	defer conn.Release()
	// A connection prepares a statement once and remembers it; this is no round trip the next time.
	for _, s := range statements {
		if _, err := conn.Conn().Prepare(ctx, s.name, s.sql); err != nil {
			return fmt.Errorf("prepare %s: %w", s.name, err) // nothing was sent
		}
	}
	err = send(ctx, conn.Conn())
	if gaveWay(err) {
		err = send(ctx, conn.Conn())
	}
	if err != nil {
		return fate(err)
	}
	return nil
}

// stage sends the rows in a pipeline of the driver's lower layer, with parameters encoded by hand. That takes a
// quarter less CPU than pgx.Batch (14 against 17 µs a row at 8 rows, 55 against 72 at one), half the
// allocations, and copies a body once, not twice. A multi-row insert from arrays is no cheaper for few rows, and few is what there is.
func stage(ctx context.Context, conn *pgconn.PgConn, intents []*gateway.Intent, attempts []*gateway.Attempt, outcomes []*gateway.Outcome) error {
	// No BEGIN: the server takes everything up to the one Sync as a transaction.
	pipeline := conn.StartPipeline(ctx)
	p, formats := newParams(), []int16{pgx.BinaryFormatCode} // one format is for all
	for _, in := range intents {
		p.intent(in)
		pipeline.SendQueryPrepared("stage_intent", p.values, formats, nil)
	}
	for _, a := range attempts {
		p.attempt(a)
		pipeline.SendQueryPrepared("stage_attempt", p.values, formats, nil)
	}
	for _, out := range outcomes {
		p.outcome(out)
		pipeline.SendQueryPrepared("stage_outcome", p.values, formats, nil)
	}
	if err := pipeline.Sync(); err != nil {
		return err
	}
	return pipeline.Close() // reads all answers, and answers the first error
}

// intent makes the parameters of insertIntent.
func (p *params) intent(in *gateway.Intent) {
	p.reset()
	p.uuid(in.ID)
	p.uuid(in.Instance)
	p.time(in.AdmittedAt)
	p.text(clean(in.Principal.Subject, maxKey))
	p.text(clean(in.Principal.User, maxText))
	p.text(clean(string(in.Principal.Tier), maxText))
	p.text(string(in.Endpoint))
	p.text(string(in.Dialect))
	p.bool(in.Stream)
	p.text(clean(in.Session, maxText))
	p.text(clean(in.ModelRequested, maxText))
	p.text(clean(in.Target.Model, maxText))
	p.text(clean(in.Target.Backend, maxText))
	p.time(in.Window.Start)
	p.time(in.Window.Reset)
	p.int64(in.Charge.Requests)
	p.int64(in.Charge.Tokens)
	p.bool(in.Reserved)
	p.bytes(in.Body.Digest[:])
	p.bytes(in.Body.Zstd)
	p.int64(in.Body.Size)
	p.int64(int64(in.Cost))
	if in.Item == (gateway.ItemRef{}) {
		p.null()
		p.null()
	} else {
		p.uuid(in.Item.Batch)
		p.int64(int64(in.Item.N))
	}
	p.text(clean(in.Class, maxText))
}

// attempt makes the parameters of insertAttempt.
func (p *params) attempt(a *gateway.Attempt) {
	p.reset()
	p.uuid(a.Request)
	p.int64(int64(a.N))
	p.time(a.At)
	p.text(clean(a.Target.Backend, maxText))
	p.text(clean(a.Target.Model, maxText))
	p.int64(int64(a.Status))
	p.text(clean(a.Reason, maxText))
}

// outcome makes the parameters of stageOutcome.
func (p *params) outcome(out *gateway.Outcome) {
	p.reset()
	p.uuid(out.ID)
	p.text(string(out.Status))
	p.int64(int64(out.HTTPStatus))
	p.text(clean(out.Error, maxText))
	p.text(clean(out.StopReason, maxText))
	p.text(clean(out.UpstreamID, maxText))
	p.int64(out.Usage.Input)
	p.int64(out.Usage.Output)
	p.int64(out.Usage.CacheRead)
	p.int64(out.Usage.CacheWrite)
	p.bool(out.Usage.Estimated)
	p.int64(out.Charge.Requests)
	p.int64(out.Charge.Tokens)
	if out.FirstByteAt.IsZero() {
		p.null()
	} else {
		p.time(out.FirstByteAt)
	}
	p.time(out.EndedAt)
	if len(out.Body.Zstd) == 0 {
		p.null()
		p.null()
	} else {
		p.bytes(out.Body.Digest[:])
		p.bytes(out.Body.Zstd)
	}
	p.int64(out.Body.Size)
	p.text(clean(out.Target.Backend, maxText))
	p.text(clean(out.Target.Model, maxText))
	p.int64(int64(out.Attempts))
	p.int64(int64(out.Cost))
}
