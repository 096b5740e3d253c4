package witness

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Entry is the part of a ledger row that clients can cause.
type Entry struct {
	ID             string
	UserName       string
	Tier           string
	Endpoint       string
	Session        string
	ModelRequested string
	ModelRouted    string
	Backend        string
	Status         string
	HTTPStatus     int `db:"http_status"`
	Stream         bool
	InputTokens    int64
	OutputTokens   int64
	Charge         int `db:"charge_requests"`
}

// settleTimeout is how long a request may take from its last byte to its row in the ledger.
const settleTimeout = 20 * time.Second

// Ledger waits until every request of a subject is settled and returns the rows in the order of admission. It fails
// the test unless there are exactly n more of them than before.
func (s *Stack) Ledger(t *testing.T, subject string, before, n int) []Entry {
	t.Helper()
	var entries []Entry
	for deadline := time.Now().Add(settleTimeout); ; time.Sleep(50 * time.Millisecond) {
		var open int
		entries, open = s.read(t, subject)
		if open == 0 && len(entries) >= before+n {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s the ledger has %d rows of the user and %d requests are open; want %d rows",
				settleTimeout, len(entries), open, before+n)
		}
	}
	if len(entries) != before+n {
		t.Errorf("the ledger has %d rows of the user, want %d", len(entries), before+n)
	}
	return entries[before:]
}

// Begun waits until a request of a subject is on its way.
func (s *Stack) Begun(t *testing.T, subject string) {
	t.Helper()
	for deadline := time.Now().Add(settleTimeout); ; time.Sleep(50 * time.Millisecond) {
		if _, open := s.read(t, subject); open > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s no request of the user is open", settleTimeout)
		}
	}
}

// Rows returns how many rows of a subject the ledger has now.
func (s *Stack) Rows(t *testing.T, subject string) int {
	t.Helper()
	entries, _ := s.read(t, subject)
	return len(entries)
}

func (s *Stack) read(t *testing.T, subject string) (entries []Entry, open int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// The intents first: a request that is settled between the two statements is then seen, not missed.
	if err := s.db.QueryRow(ctx, `SELECT count(*) FROM intents WHERE subject = $1`, subject).Scan(&open); err != nil {
		t.Fatal(err)
	}
	rows, err := s.db.Query(ctx, `
		SELECT id::text, user_name, tier, endpoint, session, model_requested, model_routed, backend, status, http_status,
		       stream, input_tokens, output_tokens, charge_requests
		FROM ledger WHERE subject = $1 ORDER BY id`, subject)
	if err != nil {
		t.Fatal(err)
	}
	entries, err = pgx.CollectRows(rows, pgx.RowToStructByName[Entry])
	if err != nil {
		t.Fatal(err)
	}
	return entries, open
}

// Settled waits until a request is in the ledger.
func (s *Stack) Settled(t *testing.T, id string) {
	t.Helper()
	for deadline := time.Now().Add(settleTimeout); ; time.Sleep(50 * time.Millisecond) {
		var found bool
		if err := s.db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM ledger WHERE id = $1)`, id).Scan(&found); err != nil {
			t.Fatal(err)
		}
		if found {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s request %s is not in the ledger", settleTimeout, id)
		}
	}
}

// Mentions reports whether anything that the ledger or the processes' logs keep has a text in it.
func (s *Stack) Mentions(t *testing.T, text string) bool {
	t.Helper()
	var found bool
	if err := s.db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM ledger WHERE strpos(ledger::text, $1) > 0)`, text).Scan(&found); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(s.Dir, "log", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs in %s: %v", s.Dir, err)
	}
	for _, log := range logs {
		said, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(said, []byte(text))
	}
	return found
}
