package postgres_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// What each role may do with each table: s(elect), i(nsert), u(pdate), d(elete), t(runcate).
func TestEachRoleMayDoNoMoreThanItNeeds(t *testing.T) {
	s := start(t)
	s.stageEnded(t, 1)
	may := map[postgrestest.Role]map[string]string{
		postgrestest.Frontend: {
			"intents": "i", "outcomes": "i", "attempts": "i", "bodies": "i", "leases": "i", "ledger": "",
			"batches": "si", "batch_items": "si", "batch_results": "s", "files": "si", "file_chunks": "si", "goose_db_version": "s",
		},
		postgrestest.Worker: {
			"intents": "sid", "outcomes": "sid", "attempts": "si", "bodies": "si", "leases": "sid", "ledger": "si",
			"batches": "siud", "batch_items": "sid", "batch_results": "sid", "files": "siud", "file_chunks": "sid", "native_batches": "sid", "goose_db_version": "s",
			"unsealed": "sid", "seals": "si", "measures": "s",
		},
		postgrestest.Auditor: {
			"intents": "s", "outcomes": "s", "attempts": "s", "bodies": "s", "leases": "s", "ledger": "s",
			"batches": "s", "batch_items": "s", "batch_results": "s", "files": "s", "file_chunks": "s", "native_batches": "s", "goose_db_version": "s",
			"unsealed": "s", "seals": "s", "measures": "s",
			"reads": "s",
		},
	}
	column := map[string]string{
		"intents": "id", "outcomes": "id", "attempts": "request_id", "bodies": "request_id", "leases": "instance", "ledger": "id",
		"batches": "id", "batch_items": "batch_id", "batch_results": "batch_id", "files": "id", "file_chunks": "file_id", "native_batches": "id", "goose_db_version": "id",
		"unsealed": "id", "seals": "n", "measures": "kind",
		"reads": "request_id",
	}
	for role, tables := range may {
		conn := connect(t, s.URL(role))
		for table, verbs := range tables {
			for verb, sql := range map[rune]string{
				's': "SELECT " + column[table] + " FROM " + table,
				'i': "INSERT INTO " + table + " DEFAULT VALUES",
				'u': "UPDATE " + table + " SET " + column[table] + " = " + column[table],
				'd': "DELETE FROM " + table,
				't': "TRUNCATE " + table,
			} {
				allowed := slices.Contains([]rune(verbs), verb)
				if got := !denied(t, conn, sql); got != allowed {
					t.Errorf("%s: %s: allowed = %v, want %v", role, sql, got, allowed)
				}
			}
		}
	}
}

func TestNoRoleReachesAPartitionPastItsTable(t *testing.T) {
	s := start(t)
	for _, role := range []postgrestest.Role{postgrestest.Frontend, postgrestest.Worker, postgrestest.Auditor} {
		conn := connect(t, s.URL(role))
		for _, sql := range []string{"SELECT FROM ledger_default", "SELECT FROM attempts_default", "DELETE FROM bodies_default", "INSERT INTO ledger_default DEFAULT VALUES"} {
			if !denied(t, conn, sql) {
				t.Errorf("%s: %s: allowed", role, sql)
			}
		}
	}
}

func TestEachRoleMayCallNoMoreThanItNeeds(t *testing.T) {
	s := start(t)
	may := map[string][]postgrestest.Role{
		"SELECT * FROM quota_snapshot('', now())":                         {postgrestest.Frontend, postgrestest.Worker},
		"SELECT * FROM quota_state('', now(), '{}')":                      {postgrestest.Frontend, postgrestest.Worker},
		"SELECT ensure_partitions(0)":                                     {postgrestest.Worker},
		"SELECT drop_partitions_before('ledger', now())":                  {},
		"SELECT drop_partitions_before('attempts', now())":                {},
		"CREATE TABLE mine (x int)":                                       {},
		"COPY ledger TO STDOUT":                                           {postgrestest.Worker, postgrestest.Auditor},
		"SELECT * FROM request_attempts":                                  {postgrestest.Auditor},
		"SELECT uuid_floor(now())":                                        {},
		"SELECT ledger_text(l) FROM ledger l":                             {postgrestest.Worker, postgrestest.Auditor},
		"SELECT * FROM holds":                                             {postgrestest.Auditor},
		"SELECT held(NULL)":                                               {},
		"SELECT retire('ledger', now(), '', '', true)":                    {},
		"SELECT add_measure('hold', '', '', '', NULL, NULL, NULL, '', 0)": {},
		"SELECT zstd FROM batch_items":                                    {postgrestest.Worker},
		"SELECT zstd FROM bodies":                                         {postgrestest.Worker},
		"SELECT * FROM requests":                                          {postgrestest.Auditor},
		"SELECT begin_read(NULL, '', '', '', '')":                         {postgrestest.Auditor},
		"SELECT read_body(0)":                                             {postgrestest.Auditor},
		"SELECT running_items(NULL)":                                      {postgrestest.Frontend, postgrestest.Worker},
		"SELECT accept_batch(NULL, 0, NULL)":                              {postgrestest.Frontend, postgrestest.Worker},
		"SELECT discard_batch(NULL)":                                      {postgrestest.Frontend, postgrestest.Worker},
		"SELECT cancel_batch(NULL)":                                       {postgrestest.Frontend, postgrestest.Worker},
		"SELECT delete_batch(NULL)":                                       {postgrestest.Frontend, postgrestest.Worker},
		"SELECT finish_file(NULL, 0)":                                     {postgrestest.Frontend, postgrestest.Worker},
		"SELECT delete_file(NULL)":                                        {postgrestest.Frontend, postgrestest.Worker},
		"INSERT INTO batches (succeeded) VALUES (1)":                      {postgrestest.Worker},
		"INSERT INTO files (finished_at) VALUES (now())":                  {postgrestest.Worker},
		"ALTER TABLE ledger DETACH PARTITION ledger_none":                 {},
	}
	for sql, roles := range may {
		for _, role := range []postgrestest.Role{postgrestest.Frontend, postgrestest.Worker, postgrestest.Auditor} {
			if got, want := !denied(t, connect(t, s.URL(role)), sql), slices.Contains(roles, role); got != want {
				t.Errorf("%s: %s: allowed = %v, want %v", role, sql, got, want)
			}
		}
	}
}

// denied runs sql, takes back what it did, and reports whether it failed for want of a right.
func denied(t *testing.T, conn *pgx.Conn, sql string) bool {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), sql)
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "42501" && !strings.Contains(pgErr.Message, "row-level security") // that is about the row, not the right
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}
