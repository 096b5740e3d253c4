package quota

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// window is a user's use of a day, as the ledger has it.
type window struct {
	subject string
	gateway.Window

	all     gateway.Used
	classes map[string]gateway.Used
}

func (w *window) key() string {
	return "quota:{" + url.QueryEscape(w.subject) + "}:" + w.Start.UTC().Format("20060102T1504Z")
}

// ledger sums up the ledger, in an order that stays.
func (d *day) ledger() []*window {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), d.postgres.URL(postgrestest.Superuser))
	d.check(err)
	defer conn.Close(context.WithoutCancel(d.t.Context()))
	rows, err := conn.Query(d.t.Context(), `SELECT subject, window_start, window_reset, class, sum(charge_requests)::bigint, sum(charge_tokens)::bigint
		FROM ledger GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`)
	d.check(err)
	var (
		all     []*window
		subject string
		day     gateway.Window
		class   string
		used    gateway.Used
	)
	_, err = pgx.ForEachRow(rows, []any{&subject, &day.Start, &day.Reset, &class, &used.Requests, &used.Tokens}, func() error {
		if len(all) == 0 || all[len(all)-1].subject != subject || !all[len(all)-1].Start.Equal(day.Start) {
			all = append(all, &window{subject: subject, Window: day, classes: map[string]gateway.Used{}})
		}
		w := all[len(all)-1]
		w.all.Requests, w.all.Tokens = w.all.Requests+used.Requests, w.all.Tokens+used.Tokens
		if class != "" {
			w.classes[class] = used
		}
		return nil
	})
	d.check(err)
	return all
}

// same holds Redis against the ledger, in both directions.
func (d *day) same() {
	d.t.Helper()
	for _, mistake := range d.wrong() {
		d.t.Error(mistake)
	}
	ledger := d.ledger()
	for _, w := range ledger { // from midnight to midnight in Berlin
		if day := gateway.DayWindow(w.Start, d.zone); !day.Start.Equal(w.Start) || !day.Reset.Equal(w.Reset) {
			d.t.Errorf("%s: the window is %s to %s", w.subject, w.Start, w.Reset)
		}
	}
	d.check(d.wk.quota.Windows(d.t.Context(), func(open gateway.OpenWindow) error {
		known := slices.ContainsFunc(ledger, func(w *window) bool { return w.subject == open.Subject && w.Start.Equal(open.Window.Start) })
		if use, err := d.wk.quota.Use(d.t.Context(), open.Subject, open.Window); err != nil || !known && use.Day != (gateway.Used{}) || len(open.Open) > 0 {
			d.t.Errorf("%s on %s: Redis has %+v, %v, and %d reservations; the ledger knows of it: %v", open.Subject, open.Window.Start, use.Day, err, len(open.Open), known)
		}
		return nil
	}))
}

// withinLimits holds the ledger against the limits of those whose requests do not pass while Redis is away.
func (d *day) withinLimits() {
	d.t.Helper()
	full := 0
	for _, w := range d.ledger() {
		n, err := strconv.Atoi(w.subject[len("user "):])
		d.check(err)
		l := limits(n)
		dear := l.Of("dear").Requests
		if l.Open {
			continue
		}
		if l.Requests >= 0 && w.all.Requests > l.Requests || dear >= 0 && w.classes["dear"].Requests > dear {
			d.t.Errorf("%s on %s: %+v, %+v; the limits are %+v", w.subject, w.Start, w.all, w.classes, l)
		}
		if w.all.Requests == l.Requests {
			full++
		}
	}
	if full == 0 {
		d.t.Error("nobody came to a limit: the day shows nothing")
	}
}

// wrong tells of the windows of which Redis says something else than the ledger.
func (d *day) wrong() (mistakes []string) {
	d.t.Helper()
	for _, w := range d.ledger() {
		use, err := d.wk.quota.Use(d.t.Context(), w.subject, w.Window, "dear", "cheap")
		d.check(err)
		if use.Day != w.all || use.Classes["dear"] != w.classes["dear"] || use.Classes["cheap"] != w.classes["cheap"] {
			mistakes = append(mistakes, fmt.Sprintf("%s on %s: Redis has %+v, %+v; the ledger %+v, %+v", w.subject, w.Start, use.Day, use.Classes, w.all, w.classes))
		}
	}
	return mistakes
}

// plantedIsRepaired plants a mistake of each kind.
func (d *day) plantedIsRepaired(t *testing.T) {
	ledger, store, ctx := d.ledger(), d.redis.Client(), t.Context()
	forged := uuid.Must(uuid.NewV7())
	plant := []func(key string) error{
		func(key string) error { return store.HIncrBy(ctx, key, "requests", 3).Err() },
		func(key string) error { return store.HIncrBy(ctx, key, "tokens", -1000).Err() },
		func(key string) error { return store.HDel(ctx, key, "tokens", "requests:dear").Err() },
		func(key string) error { return store.HSet(ctx, key, "requests:cheap", "many").Err() },
		func(key string) error { return store.HSet(ctx, key, forged.String(), "1 50 dear").Err() },
		func(key string) error { return store.Del(ctx, key).Err() }, // to be read from the ledger when it is wanted: no drift
	}
	if len(ledger) < len(plant) {
		t.Fatalf("there are %d windows", len(ledger))
	}
	d.drifted = nil
	for i, p := range plant {
		d.check(p(ledger[i].key()))
	}
	found := d.reconcile()
	if wrong := len(plant) - 1; found.Repaired != wrong || len(d.drifted) != wrong || found.Released != 1 || found.Busy != 0 {
		t.Errorf("the comparison found %+v, and told of %+v", found, d.drifted)
	}
	for _, drift := range d.drifted {
		i := slices.IndexFunc(ledger, func(w *window) bool { return w.subject == drift.Subject && w.Start.Equal(drift.Window.Start) })
		if i < 0 || i >= len(plant)-1 || drift.After != ledger[i].all {
			t.Errorf("told of %+v", drift)
		}
	}
	d.same()
	if found = d.reconcile(); found.Repaired+found.Released != 0 {
		t.Errorf("a second comparison found %+v", found)
	}
}
