package postgres

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// scanRecord reads a row of requests. What is null until a request has ended is read as zero, and the rest of its outcome dropped
// if it has none.
func scanRecord(row pgx.CollectableRow) (r gateway.Record, err error) {
	var (
		in                               = &r.Intent
		out                              gateway.Outcome
		first, ended                     pgtype.Timestamptz
		batch                            pgtype.UUID
		n, http, attempts                pgtype.Int4
		said, stop, upstream             pgtype.Text
		input, output, read, write, cost pgtype.Int8
		estimated                        pgtype.Bool
	)
	err = row.Scan(&in.ID, &in.AdmittedAt, &first, &ended, &in.Principal.Subject, &in.Principal.User, &in.Principal.Tier,
		&in.Endpoint, &in.Dialect, &in.Stream, &in.Session, &batch, &n, &in.Class, &in.ModelRequested,
		&in.Target.Model, &in.Target.Backend, &r.Last.Model, &r.Last.Backend, &out.Status, &http, &said, &stop, &upstream,
		&attempts, &input, &output, &read, &write, &estimated, &cost, &in.Charge.Requests, &in.Charge.Tokens,
		&in.Window.Start, &in.Window.Reset)
	in.AdmittedAt, in.Window.Start, in.Window.Reset = in.AdmittedAt.UTC(), in.Window.Start.UTC(), in.Window.Reset.UTC()
	in.Item = gateway.ItemRef{Batch: batch.Bytes, N: int(n.Int32)}
	if out.Status == gateway.Running {
		return r, err
	}
	out.ID, out.Target, out.Charge = in.ID, r.Last, in.Charge
	out.HTTPStatus, out.Attempts = int(http.Int32), int(attempts.Int32)
	out.Error, out.StopReason, out.UpstreamID = said.String, stop.String, upstream.String
	out.Usage = gateway.Usage{Input: input.Int64, Output: output.Int64, CacheRead: read.Int64, CacheWrite: write.Int64, Estimated: estimated.Bool}
	out.Cost = gateway.Cost(cost.Int64)
	out.FirstByteAt, out.EndedAt = utc(first), utc(ended)
	r.Outcome = &out
	return r, err
}
