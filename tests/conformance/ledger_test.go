package conformance

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// entry is the part of a ledger row that a backend decides.
type entry struct {
	Status      string
	HTTPStatus  int `db:"http_status"`
	Backend     string
	ModelRouted string
	Attempts    int
	Input       int    `db:"input_tokens"`
	Output      int    `db:"output_tokens"`
	CacheRead   int    `db:"cache_read_tokens"`
	CacheWrite  int    `db:"cache_write_tokens"`
	Estimated   bool   `db:"usage_estimated"`
	StopReason  string // in the backend's words
	Error       string // what went wrong, for people
}

// settleTimeout is how long a request may take from its last byte to its row.
const settleTimeout = 30 * time.Second

// await waits for the ledger row of a request; one that is on record nowhere has none.
func await(t *testing.T, id string) entry {
	t.Helper()
	for deadline := time.Now().Add(settleTimeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var open bool
		err := shared.db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM intents WHERE id = $1)`, id).Scan(&open)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := shared.db.Query(t.Context(), `
			SELECT status, http_status, backend, model_routed, attempts, input_tokens, output_tokens, cache_read_tokens,
			       cache_write_tokens, usage_estimated, stop_reason, error
			FROM ledger WHERE id = $1`, id)
		if err != nil {
			t.Fatal(err)
		}
		found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[entry])
		switch {
		case err == nil:
			return found
		case !errors.Is(err, pgx.ErrNoRows):
			t.Fatal(err)
		case !open:
			return entry{} // it was never admitted
		}
	}
	t.Fatalf("request %s is not settled after %s", id, settleTimeout)
	return entry{}
}
