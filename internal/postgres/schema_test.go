package postgres_test

import (
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

func TestAProcessTellsWhetherTheSchemaIsWhatItNeeds(t *testing.T) {
	start(t) // makes the roles
	u := newUpgrade(t)
	frontend, worker := open(t, u.URL(postgrestest.Frontend)), open(t, u.URL(postgrestest.Worker))
	if err := frontend.CheckSchema(t.Context()); err == nil || !strings.Contains(err.Error(), "run worker migrate") {
		t.Errorf("of a database that was never migrated it says %v", err)
	}
	if _, err := u.provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	for role, err := range map[string]error{"frontend": frontend.CheckSchema(t.Context()), "worker": worker.CheckSchema(t.Context())} {
		if err != nil {
			t.Errorf("%s: of a database that has everything it says %v", role, err)
		}
	}
	u.Exec(t, "DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)")
	if err := worker.CheckSchema(t.Context()); err == nil || !strings.Contains(err.Error(), "this build needs") {
		t.Errorf("of a database that lacks the newest migration it says %v", err)
	}
	u.Exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)")
	if err := worker.CheckSchema(t.Context()); err != nil {
		t.Errorf("of a database that is newer it says %v", err)
	}
}
