package postgres_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// A snapshot is the plain sum of what was done, in whatever order and however often it was done.
func TestASnapshotIsTheSumOfWhatWasDone(t *testing.T) {
	s := start(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &model{rt: rt, stack: s, subject: fmt.Sprintf("subject %d", run), settled: [2]map[string]gateway.Used{{}, {}}, open: map[uuid.UUID]*gateway.Intent{}, charged: map[uuid.UUID]gateway.Charge{}}
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			m.step()
		}
		for day := range 2 {
			m.check(day)
		}
	})
}

// model is the requests of one subject, on two days.
type model struct {
	*stack
	rt      *rapid.T
	subject string
	settled [2]map[string]gateway.Used // by day and class
	open    map[uuid.UUID]*gateway.Intent
	all     []*gateway.Intent
	charged map[uuid.UUID]gateway.Charge // what those take that have ended: what their first outcome says
}

func window(day int) gateway.Window {
	return gateway.DayWindow(time.Date(2026, 3, 28+day, 12, 0, 0, 0, time.UTC), time.UTC)
}

func (m *model) step() {
	verb := rapid.SampledFrom([]string{"admit", "admit", "end", "end", "stage again"}).Draw(m.rt, "verb")
	switch {
	case verb == "admit" || len(m.all) == 0:
		in := newIntent()
		in.Principal.Subject, in.Window = m.subject, window(rapid.IntRange(0, 1).Draw(m.rt, "day"))
		in.Charge, in.Class = m.charge(), rapid.SampledFrom([]string{"", "dear"}).Draw(m.rt, "class")
		m.mustStage([]*gateway.Intent{in}, nil)
		m.all, m.open[in.ID] = append(m.all, in), in
	case verb == "end":
		in := rapid.SampledFrom(m.all).Draw(m.rt, "request")
		out := newOutcome(in.ID)
		out.Charge = m.charge()
		m.mustStage(nil, []*gateway.Outcome{out})
		if _, ended := m.charged[in.ID]; !ended {
			m.charged[in.ID] = out.Charge
		}
		if rapid.Bool().Draw(m.rt, "recorded too") {
			m.write(in)
		}
	default: // by a frontend that did not learn of its commit, at whatever time
		m.mustStage([]*gateway.Intent{rapid.SampledFrom(m.all).Draw(m.rt, "request")}, nil)
	}
}

// write records a request; the ledger says what the first outcome charged.
func (m *model) write(in *gateway.Intent) {
	got, err := m.worker.WriteLedger(m.rt.Context(), []uuid.UUID{in.ID})
	if err != nil || len(got) != 1 {
		m.rt.Fatalf("settlements = %+v, %v", got, err)
	}
	if _, open := m.open[in.ID]; !open {
		return
	}
	delete(m.open, in.ID)
	day := int(in.Window.Start.Sub(window(0).Start).Hours() / 24)
	u := m.settled[day][in.Class]
	m.settled[day][in.Class] = gateway.Used{Requests: u.Requests + got[0].Charge.Requests, Tokens: u.Tokens + got[0].Charge.Tokens}
}

func (m *model) check(day int) {
	asked := make([]uuid.UUID, 0, len(m.all))
	for _, in := range m.all {
		asked = append(asked, in.ID)
	}
	snap, err := m.frontend.Snapshot(m.rt.Context(), m.subject, window(day), asked)
	if err != nil {
		m.rt.Fatal(err)
	}
	if !maps.Equal(snap.Settled, m.settled[day]) {
		m.rt.Fatalf("day %d: settled = %+v, want %+v", day, snap.Settled, m.settled[day])
	}
	open, recorded := 0, 0
	for _, in := range m.all {
		switch _, is := m.open[in.ID]; {
		case in.Window != window(day):
		case is && m.taken(in) == (gateway.Charge{}): // free
		case is:
			open++
		default:
			recorded++
		}
	}
	if len(snap.Open) != open || len(snap.Asked) != recorded {
		m.rt.Fatalf("day %d: %d are open and %d in the ledger, want %d and %d", day, len(snap.Open), len(snap.Asked), open, recorded)
	}
	for _, r := range snap.Open {
		if in := m.open[r.ID]; in == nil || r.Charge != m.taken(in) || r.Class != in.Class {
			m.rt.Fatalf("day %d: %+v is open, want %+v", day, r, in)
		}
	}
}

// taken is what an open request takes from its window.
func (m *model) taken(in *gateway.Intent) gateway.Charge {
	if c, ended := m.charged[in.ID]; ended {
		return c
	}
	return in.Charge
}

func (m *model) mustStage(intents []*gateway.Intent, outcomes []*gateway.Outcome) {
	if err := m.frontend.Stage(m.rt.Context(), intents, nil, outcomes); err != nil {
		m.rt.Fatal(err)
	}
}

func (m *model) charge() gateway.Charge {
	return gateway.Charge{Requests: rapid.Int64Range(0, 1).Draw(m.rt, "requests"), Tokens: rapid.Int64Range(0, 1000).Draw(m.rt, "tokens")}
}

func TestASnapshotTellsWhatRunsAndWhatWasAdmittedInTheLastMinute(t *testing.T) {
	s := start(t)
	subject := uuid.NewString()
	admit := func(change func(*gateway.Intent)) uuid.UUID {
		in := newIntent()
		in.Principal.Subject, in.Charge.Requests = subject, 1
		change(in)
		if err := s.frontend.Stage(t.Context(), []*gateway.Intent{in}, nil, nil); err != nil {
			t.Fatal(err)
		}
		return in.ID
	}
	end := func(id uuid.UUID, requests int64) {
		out := newOutcome(id)
		out.Charge.Requests = requests
		if err := s.frontend.Stage(t.Context(), nil, nil, []*gateway.Outcome{out}); err != nil {
			t.Fatal(err)
		}
	}
	record := func(id uuid.UUID) {
		if _, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{id}); err != nil {
			t.Fatal(err)
		}
	}
	runs := admit(func(*gateway.Intent) {})
	old := admit(func(in *gateway.Intent) { in.ID = uuid.MustParse("01900000-0000-7000-8000-" + uuid.NewString()[24:]) })
	yesterdays := admit(func(in *gateway.Intent) { in.Window = window(0) })
	admit(func(in *gateway.Intent) { in.Charge.Requests = 0 }) // free
	ended := admit(func(*gateway.Intent) {})
	end(ended, 1)
	recorded := admit(func(*gateway.Intent) {})
	end(recorded, 1)
	record(recorded)
	refunded := admit(func(*gateway.Intent) {})
	end(refunded, 0)
	record(refunded)

	snap, err := s.frontend.Snapshot(t.Context(), subject, newIntent().Window, nil)
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, got []uuid.UUID, want ...uuid.UUID) {
		t.Helper()
		slices.SortFunc(got, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		slices.SortFunc(want, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	same("running", snap.Running, runs, old, yesterdays)
	same("in the last minute", snap.Minute, runs, yesterdays, ended, recorded)
}
