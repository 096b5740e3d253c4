package postgres_test

import (
	"fmt"
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
		m := &model{rt: rt, stack: s, subject: fmt.Sprintf("subject %d", run), settled: map[int]gateway.Used{}, open: map[uuid.UUID]*gateway.Intent{}}
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
	settled map[int]gateway.Used
	open    map[uuid.UUID]*gateway.Intent
	all     []*gateway.Intent
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
		in.Charge = m.charge()
		m.mustStage([]*gateway.Intent{in}, nil)
		m.all, m.open[in.ID] = append(m.all, in), in
	case verb == "end":
		in := rapid.SampledFrom(m.all).Draw(m.rt, "request")
		out := newOutcome(in.ID)
		out.Charge = m.charge()
		m.mustStage(nil, []*gateway.Outcome{out})
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
	u := m.settled[day]
	m.settled[day] = gateway.Used{Requests: u.Requests + got[0].Charge.Requests, Tokens: u.Tokens + got[0].Charge.Tokens}
}

func (m *model) check(day int) {
	snap, err := m.frontend.Snapshot(m.rt.Context(), m.subject, window(day))
	if err != nil {
		m.rt.Fatal(err)
	}
	if snap.Settled != m.settled[day] {
		m.rt.Fatalf("day %d: settled = %+v, want %+v", day, snap.Settled, m.settled[day])
	}
	want := 0
	for _, in := range m.open {
		if in.Window == window(day) {
			want++
		}
	}
	if len(snap.Open) != want {
		m.rt.Fatalf("day %d: %d are open, want %d", day, len(snap.Open), want)
	}
	for _, r := range snap.Open {
		if in := m.open[r.ID]; in == nil || r.Charge != in.Charge {
			m.rt.Fatalf("day %d: %+v is open, want %+v", day, r, in)
		}
	}
}

func (m *model) mustStage(intents []*gateway.Intent, outcomes []*gateway.Outcome) {
	if err := m.frontend.Stage(m.rt.Context(), intents, nil, outcomes); err != nil {
		m.rt.Fatal(err)
	}
}

func (m *model) charge() gateway.Charge {
	return gateway.Charge{Requests: rapid.Int64Range(0, 1).Draw(m.rt, "requests"), Tokens: rapid.Int64Range(0, 1000).Draw(m.rt, "tokens")}
}
