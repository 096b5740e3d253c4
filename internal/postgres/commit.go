package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	// Another request of the item is a conflict that is not passed over.
	beginItem = insertIntent + ` ON CONFLICT (id) DO NOTHING`

	// An attempt whose request has ended, or that another made, is refused.
	resendItem = insertAttempt + `VALUES ((SELECT id FROM intents WHERE id = $1), $2::bigint, $3, $4, $5, $6::bigint, $7)`

	// All of it hangs on the row of intents: who deletes that writes the rest. What was sent by somebody who has left the
	// item to others since counts as well.
	endItem = `
		WITH closed AS (
			DELETE FROM intents WHERE id = $1 RETURNING *
		), body AS (
			INSERT INTO bodies (request_id, kind, zstd, size, digest)
			SELECT id, 'response', $17::bytea, $18::bigint, $16::bytea FROM closed WHERE $17::bytea IS NOT NULL ON CONFLICT DO NOTHING
		), result AS (
			INSERT INTO batch_results (batch_id, n, custom_id, state, kind, zstd, size, request_id)
			SELECT batch_id, batch_n, $23, $24, $25, $26, $27, id FROM closed ON CONFLICT DO NOTHING
		), written AS (
		INSERT INTO ledger (` + ledgerColumns + `)
		SELECT i.id, i.admitted_at, $14, $15, i.subject, i.user_name, i.tier, i.endpoint,
			i.dialect, i.stream, i.session, i.model_requested, coalesce(nullif($20, ''), i.model_routed),
			coalesce(nullif($19, ''), i.backend), $2, $3::bigint,
			$4, $5, $6, $7, $8, $9,
			$10, $11, $12, $13, i.reserved,
			i.window_start, i.window_reset, i.request_digest, $16, sent.n, $22,
			CASE WHEN sent.n > 1 THEN i.model_routed END, CASE WHEN sent.n > 1 THEN i.backend END, i.batch_id, i.batch_n, i.class, ''::bytea
		FROM closed i CROSS JOIN LATERAL (
			SELECT greatest($21::bigint, max(a.n)) AS n FROM attempts a WHERE a.request_id = i.id
		) sent` + intoSeal

	skipItem = `
		INSERT INTO batch_results (batch_id, n, custom_id, state, kind, zstd, size)
		SELECT $1, $2::bigint, $3, $4, $5, $6, $7
		WHERE NOT EXISTS (SELECT FROM intents i WHERE i.batch_id = $1 AND i.batch_n = $2::bigint)
		ON CONFLICT DO NOTHING`
)

// Commit commits what happened to items of batches, in one transaction and one round trip, all of it or nothing: intents
// and attempts before they are sent, and endings. It answers what is to be settled of the requests that it ended.
//
// An ending with an outcome moves the request from the intents to the ledger, with the response and the item's result; if
// the request is not open, because another has ended it, nothing changes. An ending without an outcome is an item's
// result and no more, and only if the item has none, and no open request. So each item has one result, and one line of the
// ledger at most, whoever works on it.
//
// An intent or attempt of an item that another works on, or that has ended, is refused, with [gateway.ErrItemTaken] and
// [gateway.ErrRecordRefused] in the error's chain. Otherwise an error is like one of [DB.Stage].
func (db *DB) Commit(ctx context.Context, intents []*gateway.Intent, attempts []*gateway.Attempt, endings []*gateway.Ending) ([]gateway.Settlement, error) {
	if len(intents)+len(attempts)+len(endings) == 0 {
		return nil, nil
	}
	// One order for all workers, so that they wait for each other's rows and seldom deadlock.
	intents, endings = slices.Clone(intents), slices.Clone(endings)
	slices.SortFunc(intents, func(a, b *gateway.Intent) int { return byItem(a.Item, b.Item) })
	slices.SortFunc(endings, func(a, b *gateway.Ending) int { return byItem(a.Result.ItemRef, b.Result.ItemRef) })

	statements := []statement{{"begin_item", beginItem}, {"resend_item", resendItem}, {"end_item", endItem}, {"skip_item", skipItem}}
	var settlements []gateway.Settlement
	err := db.pipelined(ctx, statements, func(ctx context.Context, conn *pgx.Conn) (err error) {
		settlements, err = commit(ctx, conn, intents, attempts, endings)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: commit %d intents, %d attempts and %d endings: %w", len(intents), len(attempts), len(endings), taken(err))
	}
	return settlements, nil
}

// commit sends the rows in a pipeline, as stage does.
func commit(ctx context.Context, conn *pgx.Conn, intents []*gateway.Intent, attempts []*gateway.Attempt, endings []*gateway.Ending) ([]gateway.Settlement, error) {
	pipeline := conn.PgConn().StartPipeline(ctx)
	p, binary := newParams(), []int16{pgx.BinaryFormatCode}
	for _, in := range intents {
		p.intent(in)
		pipeline.SendQueryPrepared("begin_item", p.values, binary, nil)
	}
	for _, a := range attempts {
		p.attempt(a)
		pipeline.SendQueryPrepared("resend_item", p.values, binary, nil)
	}
	for _, e := range endings {
		p.ending(e)
		pipeline.SendQueryPrepared(endingStatement(e), p.values, binary, binary)
	}
	if err := pipeline.Sync(); err != nil {
		return nil, err
	}
	settlements, err := settled(conn, pipeline)
	if closeErr := pipeline.Close(); err == nil {
		err = closeErr
	}
	return settlements, err
}

// settled reads the answers up to that to the pipeline's one sync.
func settled(conn *pgx.Conn, pipeline *pgconn.Pipeline) (settlements []gateway.Settlement, err error) {
	for {
		answer, err := pipeline.GetResults()
		if err != nil {
			return nil, err
		}
		reader, ok := answer.(*pgconn.ResultReader)
		if !ok {
			return settlements, nil
		}
		rows, err := pgx.CollectRows(pgx.RowsFromResultReader(conn.TypeMap(), reader), scanSettlement)
		if err != nil {
			return nil, err
		}
		settlements = append(settlements, rows...)
	}
}

func endingStatement(e *gateway.Ending) string {
	if e.Outcome == nil {
		return "skip_item"
	}
	return "end_item"
}

// ending makes the parameters of endItem, or of skipItem if there is no outcome.
func (p *params) ending(e *gateway.Ending) {
	if e.Outcome != nil {
		p.outcome(e.Outcome)
	} else {
		p.reset()
		p.uuid(e.Result.Batch)
		p.int64(int64(e.Result.N))
	}
	p.text(e.Result.CustomID)
	p.text(string(e.Result.State))
	p.text(clean(e.Result.Kind, maxKey))
	p.bytes(e.Result.Line.Zstd)
	p.int64(e.Result.Line.Size)
}

// taken adds gateway.ErrItemTaken to an error that says that an item is another's: it has a request already, or the
// attempt is on record, or the request of the attempt is not there any more.
func taken(err error) error {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	second := pgErr.Code == "23505" && (pgErr.ConstraintName == "intents_item" || strings.HasPrefix(pgErr.TableName, "attempts"))
	if second || pgErr.Code == "23502" && pgErr.ColumnName == "request_id" {
		return fmt.Errorf("%w: %w", gateway.ErrItemTaken, err)
	}
	return err
}

// Withdraw takes back the admission of an item's request that was not sent: it leaves no trace but its body.
func (db *DB) Withdraw(ctx context.Context, request uuid.UUID) error {
	_, err := db.exec(ctx, "withdraw", `
		DELETE FROM intents i WHERE i.id = $1 AND i.batch_id IS NOT NULL
			AND NOT EXISTS (SELECT FROM attempts a WHERE a.request_id = i.id)`, nullable(request))
	return err
}

func byItem(a, b gateway.ItemRef) int {
	return cmp.Or(bytes.Compare(a.Batch[:], b.Batch[:]), cmp.Compare(a.N, b.N))
}
