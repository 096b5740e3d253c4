package postgres

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestAConnectionIsMadeWithThePasswordOfTheDay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pgpass")
	password := func(p string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("*:*:*:*:"+p+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := "postgres://llmgw_frontend@db/llmgw?sslmode=disable&passfile=" + file
	password("first")
	conn, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second"} {
		password(want)
		if err := renew(conn, url); err != nil {
			t.Fatal(err)
		}
		if conn.Password != want {
			t.Errorf("the password is %q, want %q", conn.Password, want)
		}
	}
	if err := renew(conn, "postgres://db?sslmode=verify-full&sslrootcert="+file); err == nil {
		t.Error("a file without a certificate was taken for an authority")
	}
}
