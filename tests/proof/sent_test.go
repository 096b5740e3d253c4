package proof

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

func TestSeenIsHeldAgainstTheLedger(t *testing.T) {
	for name, c := range map[string]struct {
		entry     entry
		seen      int
		forgotten bool
		mistakes  int
	}{
		"sent once, as on record":               {entry{Attempts: 1, Answered: 1, Numbered: true}, 1, false, 0},
		"sent twice, as on record":              {entry{Attempts: 2, Answered: 2, Numbered: true}, 2, false, 0},
		"sent twice, once is on record":         {entry{Attempts: 1, Answered: 1, Numbered: true}, 2, false, 1},
		"one of two attempts met nobody":        {entry{Attempts: 2, Answered: 1, Numbered: true}, 1, false, 0},
		"cut off before an answer":              {entry{Attempts: 2, Answered: 0, Numbered: true}, 2, false, 0},
		"an answer to what nobody saw":          {entry{Attempts: 2, Answered: 2, Numbered: true}, 1, false, 1},
		"the models have forgotten it":          {entry{Attempts: 2, Answered: 2, Numbered: true}, 1, true, 0},
		"never sent, as on record":              {entry{Numbered: true}, 0, false, 0},
		"sent, though never sent by the record": {entry{Numbered: true}, 1, false, 1},
		"a row in attempts is missing":          {entry{Attempts: 2}, 0, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var r Report
			r.compareOne(c.entry, c.seen, !c.forgotten)
			if bad := r.Mistakes(); len(bad) != c.mistakes {
				t.Errorf("mistakes = %q, want %d", bad, c.mistakes)
			}
		})
	}
}

func TestEntriesTellWhatWasAnsweredAndWhetherAllIsNumbered(t *testing.T) {
	s := postgrestest.Start(t)
	frontend, worker := open(t, s.URL(postgrestest.Frontend)), open(t, s.URL(postgrestest.Worker))
	cases := map[string]struct {
		attempts, status int
		outcome          gateway.Status
		rows             map[int]int // number → status of the one before
		want             entry
	}{
		"once":                           {1, 200, gateway.Completed, nil, entry{Attempts: 1, Answered: 1, Numbered: true}},
		"never":                          {0, 0, gateway.Failed, nil, entry{Numbered: true}},
		"thrice":                         {3, 200, gateway.Completed, map[int]int{2: 529, 3: 0}, entry{Attempts: 3, Answered: 2, Numbered: true}},
		"one is missing":                 {3, 0, gateway.Failed, map[int]int{3: 0}, entry{Attempts: 3}},
		"too late, and given up":         {1, 500, gateway.Failed, map[int]int{2: 500}, entry{Attempts: 1, Answered: 1, Numbered: true}},
		"too late, and completed":        {1, 200, gateway.Completed, map[int]int{2: 500}, entry{Attempts: 1, Answered: 1}},
		"two too late":                   {1, 500, gateway.Failed, map[int]int{2: 500, 3: 500}, entry{Attempts: 1, Answered: 1}},
		"on record again, yet not first": {0, 0, gateway.Failed, map[int]int{2: 0}, entry{}},
	}
	var ids []uuid.UUID
	names := map[string]string{}
	for name, c := range cases {
		id := uuid.Must(uuid.NewV7())
		ids, names[id.String()] = append(ids, id), name
		var attempts []*gateway.Attempt
		for n, status := range c.rows {
			attempts = append(attempts, &gateway.Attempt{Request: id, N: n, At: time.Now(), Status: status})
		}
		out := &gateway.Outcome{ID: id, Status: c.outcome, HTTPStatus: c.status, Attempts: c.attempts, EndedAt: time.Now()}
		in := &gateway.Intent{ID: id, Window: gateway.DayWindow(time.Now(), time.UTC)}
		if err := frontend.Stage(t.Context(), []*gateway.Intent{in}, attempts, []*gateway.Outcome{out}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := worker.WriteLedger(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	db, err := pgx.Connect(t.Context(), s.URL(postgrestest.Auditor))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.WithoutCancel(t.Context()))
	got, err := readEntries(t.Context(), db)
	if err != nil || len(got) != len(cases) {
		t.Fatalf("entries = %+v, %v", got, err)
	}
	for _, e := range got {
		name := names[e.ID]
		want := cases[name].want
		want.ID = e.ID
		if e != want {
			t.Errorf("%s: %+v, want %+v", name, e, want)
		}
	}
}

func open(t *testing.T, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}
