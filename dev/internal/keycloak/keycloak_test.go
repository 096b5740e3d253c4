package keycloak

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// packed is a .tar.gz of files by their names.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var text bytes.Buffer
	plain := gzip.NewWriter(&text)
	list := tar.NewWriter(plain)
	for name, content := range files {
		if err := list.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := list.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, closer := range []interface{ Close() error }{list, plain} {
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return text.Bytes()
}

func TestFetchTakesOnlyTheArchiveThatIsMeant(t *testing.T) {
	good := packed(t, map[string]string{"keycloak-1/bin/kc.sh": "#!/bin/sh"})
	outside := packed(t, map[string]string{"keycloak-1/../outside": "x"})
	sum := func(archive []byte) string {
		hash := sha256.Sum256(archive)
		return hex.EncodeToString(hash[:])
	}
	for name, c := range map[string]struct {
		archive      []byte
		digest, says string
	}{
		"the archive":                 {good, sum(good), ""},
		"another archive":             {good, sum(outside), "SHA-256"},
		"one that is cut":             {good[:len(good)/2], sum(good), "unexpected EOF"},
		"names that lead out of it":   {outside, sum(outside), "escapes"},
		"a page that is no archive":   {[]byte("<html>log in</html>"), sum(good), "gzip"},
		"a status that is no success": {nil, sum(good), "404"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.archive == nil {
					w.WriteHeader(http.StatusNotFound)
				}
				_, _ = w.Write(c.archive)
			}))
			defer server.Close()
			dir := filepath.Join(t.TempDir(), "in")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			err := fetch(t.Context(), server.URL, c.digest, dir, t.Logf)
			if c.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				info, err := os.Stat(filepath.Join(dir, "bin", "kc.sh"))
				if err != nil || info.Mode()&0o100 == 0 {
					t.Errorf("bin/kc.sh: %v %v; want a program", info, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want an error with %q", err, c.says)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "outside")); err == nil {
				t.Error("a file outside the directory was written")
			}
		})
	}
}

func TestJavaVersions(t *testing.T) {
	for text, want := range map[string]int{
		`openjdk version "17.0.15" 2025-04-15`:      17,
		`openjdk version "25" 2025-09-16 LTS`:       25,
		`java version "1.8.0_402"`:                  1,
		`The command java could not be found, but…`: 0,
	} {
		if got := javaMajor(text); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestWithoutJavaThePersonIsToldWhatToInstall(t *testing.T) {
	t.Setenv("JAVA_HOME", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	if installed, _ := filepath.Glob("/usr/lib/jvm/*/bin/java"); len(installed) > 0 {
		if _, err := findJava(t.Context()); err != nil {
			t.Errorf("%v, though there is %s", err, installed)
		}
		return
	}
	if _, err := findJava(t.Context()); err == nil || !strings.Contains(err.Error(), "install it") {
		t.Errorf("%v; want a sentence that says what to install", err)
	}
}

func TestTheShippedRealmHasNoPeopleAndNoSecrets(t *testing.T) {
	for _, word := range []string{`"secret"`, `"credentials"`, `"password"`, `"demo"`} {
		if bytes.Contains(exampleRealm, []byte(word)) {
			t.Errorf("realm.json has %s", word)
		}
	}
}

func TestEachConfidentialClientOfTheDemoHasASecretOfItsOwn(t *testing.T) {
	text, secrets, err := demoRealm()
	if err != nil {
		t.Fatal(err)
	}
	var realm struct {
		Clients []struct {
			ClientID     string
			PublicClient bool
			Secret       string
		}
		Users []struct{ Username string }
	}
	if err := json.Unmarshal(text, &realm); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, client := range realm.Clients {
		if client.PublicClient != (client.Secret == "") || client.Secret != secrets[client.ClientID] || client.Secret != "" && seen[client.Secret] {
			t.Errorf("the secret of %s is not as it should be", client.ClientID)
		}
		seen[client.Secret] = true
	}
	names := map[string]bool{}
	for _, user := range realm.Users {
		names[user.Username] = true
	}
	for _, user := range Users() {
		if !names[user] {
			t.Errorf("the demo has no user %s", user)
		}
	}
}
