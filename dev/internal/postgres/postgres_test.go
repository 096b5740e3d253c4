package postgres

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
	"github.com/openova-io/llm-gateway/dev/internal/supervise"
)

// run starts a server on the state directory.
func run(t *testing.T, stateDir string) (*Server, *supervise.Process) {
	t.Helper()
	set := ports.NewSet(true)
	port, err := set.Choose(0, "PostgreSQL", "postgres-port")
	if err != nil {
		t.Fatal(err)
	}
	server, err := Prepare(t.Context(), stateDir, port)
	if err != nil {
		t.Fatal(err)
	}
	set.Release(port)
	host := supervise.NewHost(t.Logf, nil)
	process := supervise.New(host, server.Spec(filepath.Join(stateDir, "postgres.log")))
	if err := process.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Stop(0); host.Close() })
	return server, process
}

func query[T any](t *testing.T, server *Server, role, database, sql string) T {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), server.URL(role, database))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close(context.Background())
	var value T
	err = connection.QueryRow(t.Context(), sql).Scan(&value)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func TestClusterSurvivesAKillAndAStaleProcessFile(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a database server")
	}
	stateDir := t.TempDir()
	t.Cleanup(func() {
		if err := Wipe(stateDir); err != nil {
			t.Error(err)
		}
	})
	server, process := run(t, stateDir)
	if !server.New {
		t.Error("a cluster in an empty directory is not new")
	}
	for range 2 { // the second time everything exists
		if err := server.Provision(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	query[string](t, server, Owner, GatewayDatabase, "DO $$ BEGIN CREATE TABLE kept AS SELECT 42 AS answer; END $$")

	if err := process.Kill(true); err != nil {
		t.Fatal(err)
	}
	// The pid of a live process that has nothing to do with the database.
	pidFile := filepath.Join(server.dataDir, "postmaster.pid")
	if err := os.WriteFile(pidFile, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, _ := run(t, stateDir)
	if again.New {
		t.Error("the second start made a new cluster")
	}
	if got := query[int](t, again, Owner, GatewayDatabase, "SELECT answer FROM kept"); got != 42 {
		t.Errorf("answer = %d", got)
	}
	for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "max_connections": "300"} {
		if got := query[string](t, again, Auditor, GatewayDatabase, "SHOW "+setting); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
	const powers = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = 'llmgw_owner'"
	if query[bool](t, again, Superuser, GatewayDatabase, powers) {
		t.Error("the owner of the gateway's database has powers beyond it")
	}
}

func TestUnreachableStateDirectoryMovesTheCluster(t *testing.T) {
	a := &account{uid: nobody, gid: nobody}
	private := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	root, moved := place(filepath.Join(private, "run"), a)
	if !moved || filepath.Dir(root) != fallbackParent {
		t.Errorf("place = %s, %v", root, moved)
	}
	if _, moved := place(filepath.Join(private, "run"), nil); moved {
		t.Error("the cluster moved although the server runs as the current user")
	}
}

func TestAbandonedClusterIsPruned(t *testing.T) {
	if _, err := os.Stat(fallbackParent); err != nil {
		t.Skip(err)
	}
	root := filepath.Join(fallbackParent, fallbackPrefix+"test-"+time.Now().Format("150405.000000"))
	gone := filepath.Join(t.TempDir(), "gone")
	if err := create(root, gone, true, nil); err != nil {
		t.Skip(err)
	}
	if err := prune(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		os.RemoveAll(root)
		t.Fatal("the abandoned cluster is still there")
	}
}
