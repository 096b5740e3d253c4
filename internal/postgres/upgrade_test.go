package postgres_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// What the first version wrote: a frontend an intent and an outcome, a worker a row of the ledger.
const (
	intentOfV1 = `
		INSERT INTO intents (id, instance, admitted_at, subject, user_name, tier, endpoint, dialect, stream, session,
			model_requested, model_routed, backend, window_start, window_reset, charge_requests, charge_tokens, reserved, request_digest)
		VALUES ($1, $1, now(), 's', 'u', 't', 'messages', 'anthropic', true, '', 'm', 'routed', 'first', now(), now(), 1, 7, true, '')`
	outcomeOfV1 = `
		INSERT INTO outcomes (id, status, http_status, error, stop_reason, upstream_id, input_tokens, output_tokens,
			cache_read_tokens, cache_write_tokens, usage_estimated, charge_requests, charge_tokens, first_byte_at, ended_at, response_digest)
		VALUES ($1, 'completed', 200, '', '', '', 1, 1, 0, 0, false, 1, 2, now(), now(), NULL)`
	ledgerOfV1 = `
		INSERT INTO ledger (id, admitted_at, first_byte_at, ended_at, subject, user_name, tier, endpoint,
			dialect, stream, session, model_requested, model_routed, backend, status, http_status,
			error, stop_reason, upstream_id, input_tokens, output_tokens, cache_read_tokens,
			cache_write_tokens, usage_estimated, charge_requests, charge_tokens, reserved,
			window_start, window_reset, request_digest, response_digest)
		VALUES ($1, now(), now(), now(), 's', 'u', 't', 'messages', 'anthropic', true, '', 'm', 'routed', 'first', 'completed', 200,
			'', '', '', 1, 1, 0, 0, false, 1, 2, true, now(), now(), '', NULL)`
)

// upgrade is a database that a test moves between versions of the schema.
type upgrade struct {
	*postgrestest.Server
	provider *goose.Provider
}

func newUpgrade(t *testing.T) *upgrade {
	t.Helper()
	s := postgrestest.StartEmpty(t)
	config, err := pgx.ParseConfig(s.URL(postgrestest.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	return &upgrade{s, provider}
}

// latest is the version that the code is written for.
func (u *upgrade) latest() int64 {
	sources := u.provider.ListSources()
	return sources[len(sources)-1].Version
}

func (u *upgrade) to(t *testing.T, version int64) {
	t.Helper()
	current, err := u.provider.GetDBVersion(t.Context())
	if err == nil && current < version {
		_, err = u.provider.UpTo(t.Context(), version)
	} else if err == nil {
		_, err = u.provider.DownTo(t.Context(), version)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// insert runs statements of the first version with one new id, in one transaction of the role.
func (u *upgrade) insert(t *testing.T, role postgrestest.Role, statements ...string) uuid.UUID {
	t.Helper()
	id, err := u.try(t, role, statements...)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (u *upgrade) try(t *testing.T, role postgrestest.Role, statements ...string) (uuid.UUID, error) {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	conn := connect(t, u.URL(role))
	tx, err := conn.Begin(t.Context())
	for _, sql := range statements {
		if err == nil {
			_, err = tx.Exec(t.Context(), sql, id)
		}
	}
	if err == nil {
		err = tx.Commit(t.Context())
	}
	return id, err
}

func TestRequestsInFlightPassThroughTheUpgrade(t *testing.T) {
	u := newUpgrade(t)
	u.to(t, 1)
	ended := u.insert(t, postgrestest.Superuser, intentOfV1, outcomeOfV1)
	running := u.insert(t, postgrestest.Superuser, intentOfV1)
	recorded := u.insert(t, postgrestest.Superuser, ledgerOfV1)
	u.to(t, u.latest())
	late := u.insert(t, postgrestest.Frontend, intentOfV1, outcomeOfV1) // of a frontend that is not renewed yet
	if _, err := u.try(t, postgrestest.Worker, ledgerOfV1); err == nil || !strings.Contains(err.Error(), "renew the workers") {
		t.Errorf("a worker that knows nothing of seals writes the ledger: %v", err)
	}

	worker := open(t, u.URL(postgrestest.Worker))
	if n, err := worker.CloseAbandoned(t.Context(), []uuid.UUID{running}, 10); err != nil || n != 1 {
		t.Fatalf("closed %d, %v", n, err)
	}
	pending, err := worker.Pending(t.Context(), nil, 10)
	if err != nil || len(pending) != 3 {
		t.Fatalf("pending = %+v, %v", pending, err)
	}
	for _, e := range pending {
		if want := (gateway.Target{Backend: "first", Model: "routed"}); e.Target != want || e.Attempts != 1 || e.Cost != 0 {
			t.Errorf("pending: %+v", e)
		}
	}
	if got, err := worker.WriteLedger(t.Context(), []uuid.UUID{ended, running, late}); err != nil || len(got) != 3 {
		t.Fatalf("written = %+v, %v", got, err)
	}
	s := &stack{Server: u.Server}
	for _, id := range []uuid.UUID{ended, running, recorded, late} {
		got := s.sendings(t, id)
		if len(got) != 1 || got[0].N != 1 || got[0].Backend != "first" || got[0].Model != "routed" || got[0].Status == nil {
			t.Errorf("attempts = %+v", got)
		}
	}
	if n := u.Int(t, `SELECT count(*) FROM ledger WHERE attempts = 1 AND cost_nanos = 0 AND first_backend IS NULL`); n != 4 {
		t.Errorf("%d of 4 rows have what an older version could not say", n)
	}
	if made, err := worker.Seal(t.Context(), 10, nil); err != nil || made.Rows != 4 {
		t.Errorf("seal = %+v, %v; want all rows in it, those from before the upgrade, too", made, err)
	}
}

func TestTheUpgradeCanBeTakenBackAndMadeAgain(t *testing.T) {
	u := newUpgrade(t)
	u.to(t, 1)
	schema := u.schema(t)
	for range 2 {
		u.to(t, u.latest())
		s := &stack{u.Server, open(t, u.URL(postgrestest.Frontend)), open(t, u.URL(postgrestest.Worker))}
		s.write(t, s.stageEnded(t, 1)[0])
		s.stageEnded(t, 1)
		u.to(t, 1)
		if now := u.schema(t); now != schema {
			t.Fatalf("taken back, the schema is not what it was: %d and %d", now, schema)
		}
		u.Exec(t, `SELECT ensure_partitions(3)`)
		u.Exec(t, `SELECT drop_partitions_before('bodies', now())`)
		u.Exec(t, `DROP TABLE bodies_`+month(3).Format("2006_01")+`, ledger_`+month(3).Format("2006_01"))
	}
	if n := u.Int(t, `SELECT (SELECT count(*) FROM ledger) + (SELECT count(*) FROM intents) + (SELECT count(*) FROM outcomes)`); n != 6 {
		t.Errorf("%d of 6 rows are left", n)
	}
	u.to(t, 0)
}

// schema is a number that stands for all columns, functions and rights.
func (u *upgrade) schema(t *testing.T) int64 {
	t.Helper()
	return u.Int(t, `
		SELECT hashtext(string_agg(x, ';' ORDER BY x)) FROM (
			SELECT format('%s %s %s %s', a.attrelid::regclass, a.attname, a.atttypid::regtype, a.attacl)
				FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
				WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'goose%' AND a.attnum > 0 AND NOT a.attisdropped
			UNION ALL SELECT format('%s %s', relname, relacl) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%'
			UNION ALL SELECT format('%s %s', pg_get_functiondef(oid), proacl) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		) t (x)`)
}

// While frontends go on, the migration waits for them and they for it, and nobody fails.
func TestTheUpgradeIsMadeUnderLoad(t *testing.T) {
	u := newUpgrade(t)
	u.to(t, 1)
	migrated := make(chan error, 1)
	go func() {
		time.Sleep(100 * time.Millisecond)
		_, err := u.provider.Up(t.Context())
		time.Sleep(100 * time.Millisecond)
		migrated <- err
	}()
	for staged := int64(1); ; staged++ {
		u.insert(t, postgrestest.Frontend, intentOfV1, outcomeOfV1)
		select {
		case err := <-migrated:
			if n := u.Int(t, `SELECT count(*) FROM outcomes WHERE attempts = 1`); n != staged || err != nil {
				t.Errorf("%d outcomes of %d requests, %v", n, staged, err)
			}
			return
		default:
		}
	}
}
