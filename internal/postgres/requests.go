package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/seal"
)

const selectRequests = `
	SELECT r.id, r.admitted_at, r.first_byte_at, r.ended_at, r.subject, r.user_name, r.tier, r.endpoint, r.dialect, r.stream,
		r.session, r.batch_id, r.batch_n, r.class, r.model_requested, r.first_model_routed, r.first_backend, r.model_routed,
		r.backend, r.status, r.http_status, r.error, r.stop_reason, r.upstream_id, r.attempts, r.input_tokens, r.output_tokens,
		r.cache_read_tokens, r.cache_write_tokens, r.usage_estimated, r.cost_nanos, r.charge_requests, r.charge_tokens,
		r.window_start, r.window_reset
	FROM requests r`

// Requests answers a page of the requests that a filter chooses, the newest first, and whether the list goes on. One that would have to look
// through too much is given up, with [gateway.ErrTooLong] in the error's chain.
func (db *DB) Requests(ctx context.Context, f gateway.RecordFilter, p gateway.Page) ([]gateway.Record, bool, error) {
	sql, args := search(f, p)
	// The mode keeps the server from a plan for any values: what is seldom is not found the way that what is frequent is.
	found, err := query(ctx, db, "requests", scanRecord, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "57014" { // the server's time for a statement is over
		err = fmt.Errorf("%w: %w", gateway.ErrTooLong, err)
	}
	if err != nil {
		return nil, false, err
	}
	more := len(found) > p.Limit
	found = found[:min(len(found), p.Limit)]
	return found, more, db.addBodies(ctx, found)
}

// Request answers what is on record of one request.
func (db *DB) Request(ctx context.Context, id uuid.UUID) (gateway.Record, error) {
	found, err := one(ctx, db, "request", scanRecord, selectRequests+` WHERE r.id = $1`, nullable(id))
	if err != nil {
		return found, err
	}
	all := []gateway.Record{found}
	return all[0], db.addBodies(ctx, all)
}

// search is the statement of Requests and its arguments.
func search(f gateway.RecordFilter, p gateway.Page) (sql string, args []any) {
	where, args := chosen(f)
	sql, bounds := paged(selectRequests+` WHERE `+where, "r.id", p)
	return sql, append(bounds, args...)
}

// chosen is the condition of a filter, with its arguments from $3 on. Every test is one that an index of the ledger is
// made for, word by word. Two names that begin with the same 200 characters are one to it.
func chosen(f gateway.RecordFilter) (where string, args []any) {
	var tests []string
	test := func(format string, arg any) {
		args = append(args, arg)
		tests = append(tests, fmt.Sprintf(format, len(args)+2))
	}
	if f.Subject != "" {
		test("r.subject = $%d", clean(f.Subject, maxKey))
	}
	if f.User != "" {
		test("left(r.user_name, 200) = left($%d, 200)", clean(f.User, maxText))
	}
	if f.Session != "" {
		test("r.session <> '' AND left(r.session, 200) = left($%d, 200)", clean(f.Session, maxText))
	}
	if f.Model != "" {
		test("left(r.model_routed, 200) = left($%d, 200)", clean(f.Model, maxText))
	}
	if f.Batch != uuid.Nil {
		test("r.batch_id = $%d", nullable(f.Batch))
	}
	switch f.Status { // written out, or the server would not know which index has it
	case "":
	case gateway.Running, string(gateway.Completed), string(gateway.Failed), string(gateway.Cancelled), string(gateway.Interrupted):
		tests = append(tests, "r.status = '"+f.Status+"'")
	default:
		tests = append(tests, "false")
	}
	if !f.From.IsZero() {
		test("r.id >= $%d", pgtype.UUID{Bytes: seal.Floor(f.From), Valid: true})
	}
	if !f.To.IsZero() {
		test("r.id < $%d", pgtype.UUID{Bytes: seal.Floor(f.To), Valid: true})
	}
	return strings.Join(append(tests, "true"), " AND "), args
}

// addBodies tells of the bodies of requests that are kept.
func (db *DB) addBodies(ctx context.Context, requests []gateway.Record) error {
	if len(requests) == 0 {
		return nil
	}
	at := make(map[uuid.UUID]*gateway.Record, len(requests))
	all := make([]uuid.UUID, len(requests))
	for i := range requests {
		all[i] = requests[i].Intent.ID
		at[all[i]] = &requests[i]
	}
	_, err := query(ctx, db, "sizes of bodies", func(row pgx.CollectableRow) (none struct{}, err error) {
		var (
			id     uuid.UUID
			kind   string
			body   gateway.Body
			digest []byte
		)
		err = row.Scan(&id, &kind, &body.Size, &digest)
		copy(body.Digest[:], digest)
		if r := at[id]; kind == gateway.RequestBody {
			r.Intent.Body = body
		} else if r.Outcome != nil {
			r.Outcome.Body = body
		}
		return none, err
	}, `
		SELECT request_id, kind, size, digest FROM bodies
		WHERE request_id = ANY ($1) AND request_id >= $2 AND request_id <= $3`, // the latter two spare it most partitions
		ids(all), nullable(all[len(all)-1]), nullable(all[0]))
	return err
}

// Attempts answers the sendings of a request after the first that are on record, in their order.
func (db *DB) Attempts(ctx context.Context, request uuid.UUID) ([]gateway.Attempt, error) {
	return query(ctx, db, "attempts", func(row pgx.CollectableRow) (a gateway.Attempt, err error) {
		err = row.Scan(&a.Request, &a.N, &a.At, &a.Target.Backend, &a.Target.Model, &a.Status, &a.Reason)
		a.At = a.At.UTC()
		return a, err
	}, `SELECT request_id, n, at, backend, model, after_status, after_error FROM attempts WHERE request_id = $1 ORDER BY n`, nullable(request))
}
