package postgres_test

import (
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

func migrate(t *testing.T, url string) error {
	t.Helper()
	return postgres.Migrate(t.Context(), url, slog.New(slog.DiscardHandler))
}

func TestMigratingAgainChangesNothing(t *testing.T) {
	s := start(t)
	s.stageEnded(t, 1)
	if err := migrate(t, s.URL(postgrestest.Superuser)); err != nil {
		t.Fatal(err)
	}
	s.wantRows(t, [4]int64{1, 1, 2, 0})
}

func TestSeveralMayMigrateAtOnce(t *testing.T) {
	s := postgrestest.StartEmpty(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := migrate(t, s.URL(postgrestest.Superuser)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.Int(t, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'ledger'::regclass`); n != 4 {
		t.Errorf("the ledger has %d partitions, want three months and the default", n)
	}
}

// owner makes a login without any right but to own the database.
func owner(t *testing.T, s *postgrestest.Server) string {
	t.Helper()
	login := "llmgw_test_owner_" + uuid.NewString()[:8]
	u, err := url.Parse(s.URL(postgrestest.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	database := `ALTER DATABASE "` + strings.TrimPrefix(u.Path, "/") + `" OWNER TO `
	s.Exec(t, `CREATE ROLE `+login+` LOGIN PASSWORD 'secret'`)
	s.Exec(t, database+login)
	t.Cleanup(func() {
		s.Exec(t, database+`CURRENT_USER`)
		s.Exec(t, `DROP OWNED BY `+login+` CASCADE`)
		s.Exec(t, `DROP ROLE `+login)
	})
	u.User = url.UserPassword(login, "secret")
	return u.String()
}

func TestAnOwnerWhoMayNotCreateRolesMigratesWhenTheyExist(t *testing.T) {
	start(t) // makes the roles
	s := postgrestest.StartEmpty(t)
	if err := migrate(t, owner(t, s)); err != nil {
		t.Fatal(err)
	}
	worker := open(t, s.URL(postgrestest.Worker))
	if err := worker.EnsurePartitions(t.Context()); err != nil {
		t.Error(err)
	}
}
