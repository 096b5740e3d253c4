package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const abandonedError = "The gateway stopped while the request was running; whether the model answered is not known."

// Abandoned answers the frontend processes that have running requests and no lease. It answers none while the
// server is younger than ttl, the time a lease is given for: nobody could renew while it was down. The items of batches
// are not a frontend's: whoever works on the batch next goes on with them.
//
// A process that was cut off from the database looks the same, so look twice, longer than a renewal apart, and
// close only those that are named both times.
func (db *DB) Abandoned(ctx context.Context, ttl time.Duration) ([]uuid.UUID, error) {
	return query(ctx, db, "abandoned", scanID, `
		SELECT DISTINCT i.instance FROM intents i
		WHERE i.batch_id IS NULL AND pg_postmaster_start_time() < now() - $1::interval
			AND NOT EXISTS (SELECT FROM leases l WHERE l.instance = i.instance AND l.expires_at > now())
			AND NOT EXISTS (SELECT FROM outcomes o WHERE o.id = i.id)`, ttl)
}

// CloseAbandoned ends running requests of the given processes as [gateway.Interrupted], the oldest limit of them,
// and answers how many. Each keeps the charge it reserved and the cost of its intent, and was last sent where its last
// attempt on record went. A process that has a lease again is left alone, and an
// outcome that its frontend stages in the same moment stands.
func (db *DB) CloseAbandoned(ctx context.Context, instances []uuid.UUID, limit int) (int64, error) {
	return db.exec(ctx, "close abandoned", `
		INSERT INTO outcomes (id, status, http_status, error, stop_reason, upstream_id, input_tokens, output_tokens,
			cache_read_tokens, cache_write_tokens, usage_estimated, charge_requests, charge_tokens, ended_at,
			model_routed, backend, attempts, cost_nanos)
		SELECT i.id, $3, 0, $4, '', '', i.charge_tokens, 0, 0, 0, true, i.charge_requests, i.charge_tokens, now(),
			coalesce(last.model, i.model_routed), coalesce(last.backend, i.backend), coalesce(last.n, 1), i.cost_nanos
		FROM intents i `+joinLast+`
		WHERE i.batch_id IS NULL AND i.instance = ANY ($1)
			AND NOT EXISTS (SELECT FROM leases l WHERE l.instance = i.instance AND l.expires_at > now())
			AND NOT EXISTS (SELECT FROM outcomes o WHERE o.id = i.id)
		ORDER BY i.id LIMIT $2
		ON CONFLICT DO NOTHING`, ids(instances), limit, string(gateway.Interrupted), abandonedError)
}

// DropSettledDuplicates deletes intents and outcomes that were staged again after their ledger row was written, and
// answers how many rows that were. Rows of the last minute are left to the workers that may be at them.
func (db *DB) DropSettledDuplicates(ctx context.Context) (int64, error) {
	var dropped int64
	for _, table := range []string{"outcomes", "intents"} {
		n, err := db.exec(ctx, "drop settled duplicates", `
			DELETE FROM `+table+` s
			WHERE s.staged_at < now() - interval '1 minute' AND EXISTS (SELECT FROM ledger l WHERE l.id = s.id)`)
		if err != nil {
			return dropped, err
		}
		dropped += n
	}
	return dropped, nil
}

// Unknown answers those of the requests that left no trace in intents, outcomes or the ledger: their reservation
// was made, and then they were not admitted after all.
func (db *DB) Unknown(ctx context.Context, requests []uuid.UUID) ([]uuid.UUID, error) {
	return query(ctx, db, "unknown", scanID, `
		SELECT r.id FROM unnest($1::uuid[]) r (id)
		WHERE NOT EXISTS (SELECT FROM intents i WHERE i.id = r.id)
			AND NOT EXISTS (SELECT FROM outcomes o WHERE o.id = r.id)
			AND NOT EXISTS (SELECT FROM ledger l WHERE l.id = r.id)`, ids(requests))
}

// EnsurePartitions makes the partitions of this month and the two after it, where they are missing. Once a day is
// often enough: rows without a partition are kept in the default one until it is made.
func (db *DB) EnsurePartitions(ctx context.Context) error {
	_, err := db.exec(ctx, "ensure partitions", `SELECT ensure_partitions(2)`)
	return err
}
