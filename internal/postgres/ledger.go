package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// What can be missing for a line of the ledger.
var (
	ErrNoOutcome = errors.New("the request has not ended yet")          // there is an intent and no outcome
	ErrNoIntent  = errors.New("no intent is on record for the request") // nor is there a ledger row
)

const settlementColumns = `id, subject, window_start, window_reset, charge_requests, charge_tokens, reserved, class`

const ledgerColumns = `id, admitted_at, first_byte_at, ended_at, subject, user_name, tier, endpoint,
	dialect, stream, session, model_requested, model_routed, backend, status, http_status,
	error, stop_reason, upstream_id, input_tokens, output_tokens, cache_read_tokens,
	cache_write_tokens, usage_estimated, charge_requests, charge_tokens, reserved,
	window_start, window_reset, request_digest, response_digest, attempts, cost_nanos,
	first_model_routed, first_backend, batch_id, batch_n, class, digest`

// intoSeal is the end of a statement that begins with the INSERT into the ledger: its rows wait for a seal from now on.
const intoSeal = `
		ON CONFLICT DO NOTHING
		RETURNING ` + settlementColumns + `
	), outbox AS (
		INSERT INTO unsealed SELECT id FROM written ON CONFLICT DO NOTHING
	)
	SELECT * FROM written`

const (
	// An outcome whose intent is missing is left where it is: it is a duplicate, or else something to look into.
	moveToLedger = `
		WITH moved AS (
			DELETE FROM outcomes o USING intents i
			WHERE o.id = ANY ($1) AND i.id = o.id
			RETURNING o.id, i.admitted_at, o.first_byte_at, o.ended_at, i.subject, i.user_name, i.tier, i.endpoint,
				i.dialect, i.stream, i.session, i.model_requested, ` + lastTarget + `, o.status, o.http_status,
				o.error, o.stop_reason, o.upstream_id, o.input_tokens, o.output_tokens, o.cache_read_tokens,
				o.cache_write_tokens, o.usage_estimated, o.charge_requests, o.charge_tokens, i.reserved,
				i.window_start, i.window_reset, i.request_digest, o.response_digest, o.attempts, o.cost_nanos,
				CASE WHEN o.attempts > 1 THEN i.model_routed END, CASE WHEN o.attempts > 1 THEN i.backend END,
				i.batch_id, i.batch_n, i.class
		), closed AS (
			DELETE FROM intents i USING moved WHERE i.id = moved.id
		), written AS (
			INSERT INTO ledger (` + ledgerColumns + `)
			SELECT *, ''::bytea FROM moved` + intoSeal

	// What was staged again after its ledger row was written goes the way it should have gone.
	findInLedger = `
		WITH found AS (
			SELECT ` + settlementColumns + ` FROM ledger WHERE id = ANY ($1)
		), outcome AS (
			DELETE FROM outcomes USING found WHERE outcomes.id = found.id
		), intent AS (
			DELETE FROM intents USING found WHERE intents.id = found.id
		)
		SELECT * FROM found`
)

// WriteLedger moves ended requests to the ledger and answers, in no certain order, what each takes from its quota.
// A request that is in the ledger already is answered from there. For a request that cannot be written the error
// names it, with [ErrNoOutcome] or [ErrNoIntent] in its chain; the others are written and answered all the same.
//
// Several workers may write the same request: one of them does.
func (db *DB) WriteLedger(ctx context.Context, requests []uuid.UUID) ([]gateway.Settlement, error) {
	// One order for all workers, so that they wait for each other's rows and seldom deadlock.
	requests = slices.Clone(requests)
	slices.SortFunc(requests, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	requests = slices.Compact(requests)
	if len(requests) == 0 {
		return nil, nil
	}

	written, err := db.move(ctx, requests)
	if err != nil || len(written) == len(requests) {
		return written, err
	}
	rest := without(requests, written)
	recorded, err := query(ctx, db, "write ledger: what is recorded", scanSettlement, findInLedger, ids(rest))
	if err != nil {
		return written, err
	}
	return append(written, recorded...), db.missing(ctx, without(rest, recorded))
}

// move runs moveToLedger, again if it had to give way.
func (db *DB) move(ctx context.Context, requests []uuid.UUID) (written []gateway.Settlement, err error) {
	for range 3 {
		written, err = query(ctx, db, "write ledger", scanSettlement, moveToLedger, ids(requests))
		if !gaveWay(err) {
			break
		}
	}
	return written, err
}

// missing says why requests could not be written.
func (db *DB) missing(ctx context.Context, requests []uuid.UUID) error {
	if len(requests) == 0 {
		return nil
	}
	running, err := query(ctx, db, "write ledger: what is missing", scanID,
		`SELECT id FROM intents WHERE id = ANY ($1)`, ids(requests))
	if err != nil {
		return err
	}
	lost := slices.DeleteFunc(requests, func(u uuid.UUID) bool { return slices.Contains(running, u) })
	if len(running) > 0 {
		err = fmt.Errorf("postgres: write ledger: %w: %v", ErrNoOutcome, running)
	}
	if len(lost) > 0 {
		err = errors.Join(err, fmt.Errorf("postgres: write ledger: %w: %v", ErrNoIntent, lost))
	}
	return err
}

// Settlements answers what those of the requests that are in the ledger take from their quota.
func (db *DB) Settlements(ctx context.Context, requests []uuid.UUID) ([]gateway.Settlement, error) {
	return query(ctx, db, "settlements", scanSettlement,
		`SELECT `+settlementColumns+` FROM ledger WHERE id = ANY ($1)`, ids(requests))
}

// without answers the requests that have no settlement yet.
func without(requests []uuid.UUID, settled []gateway.Settlement) []uuid.UUID {
	known := make(map[uuid.UUID]bool, len(settled))
	for _, s := range settled {
		known[s.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(requests), func(u uuid.UUID) bool { return known[u] })
}

func scanSettlement(row pgx.CollectableRow) (s gateway.Settlement, err error) {
	err = row.Scan(&s.ID, &s.Subject, &s.Window.Start, &s.Window.Reset, &s.Charge.Requests, &s.Charge.Tokens, &s.Reserved, &s.Class)
	s.Window.Start, s.Window.Reset = s.Window.Start.UTC(), s.Window.Reset.UTC()
	return s, err
}

func scanID(row pgx.CollectableRow) (u uuid.UUID, err error) {
	err = row.Scan(&u)
	return u, err
}
