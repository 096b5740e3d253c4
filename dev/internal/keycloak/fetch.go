package keycloak

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// What is fetched: the distribution as it is published on Maven Central, and its SHA-256.
const (
	Version = "26.7.3"
	archive = "https://repo1.maven.org/maven2/org/keycloak/keycloak-quarkus-dist/" + Version + "/keycloak-quarkus-dist-" + Version + ".tar.gz"
	digest  = "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47"
)

// distribution returns the directory of a Keycloak that is ready to run. It is in
// the user's cache, read only by convention and shared by all stacks: fetched,
// unpacked and built once, which takes half a minute.
func distribution(ctx context.Context, java string, logf func(string, ...any)) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	parent := filepath.Join(cache, "llm-gateway-dev")
	done := filepath.Join(parent, "keycloak-"+Version)
	if _, err := os.Stat(done); err == nil {
		return done, nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("create the cache directory: %w", err)
	}
	unfinished, err := os.MkdirTemp(parent, "keycloak-unfinished-")
	if err != nil {
		return "", fmt.Errorf("create the cache directory: %w", err)
	}
	defer os.RemoveAll(unfinished)
	if err := fetch(ctx, archive, digest, unfinished, logf); err != nil {
		return "", fmt.Errorf("fetch Keycloak %s from %s: %w", Version, archive, err)
	}
	logf("building Keycloak %s, once", Version)
	if err := build(ctx, java, unfinished); err != nil {
		return "", err
	}
	// Another stack may have been faster.
	if err := os.Rename(unfinished, done); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("keep Keycloak in the cache: %w", err)
	}
	return done, nil
}

// fetch unpacks an archive into dir, and fails if it is not the one with the digest.
func fetch(ctx context.Context, url, digest, dir string, logf func(string, ...any)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := new(http.Client).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	sum := sha256.New()
	body := &progress{reader: io.TeeReader(response.Body, sum), total: response.ContentLength, logf: logf}
	if err := unpack(body, dir); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, body); err != nil { // the padding after the last file
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		return fmt.Errorf("its SHA-256 is %s, but %s is expected: nothing of it was run", got, digest)
	}
	return nil
}

// unpack writes the files of a .tar.gz below dir, without the directory that holds them all.
func unpack(packed io.Reader, dir string) error {
	root, err := os.OpenRoot(dir) // no name in the archive leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	for files := tar.NewReader(plain); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(header.Name, "/")
		if header.Typeflag != tar.TypeReg || name == "" {
			continue
		}
		if err := write(root, name, header.FileInfo().Mode().Perm(), files); err != nil {
			return err
		}
	}
}

func write(root *os.Root, name string, mode os.FileMode, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// build makes the choices that cannot be changed at a start, above all the database.
func build(ctx context.Context, java, dir string) error {
	command := exec.CommandContext(ctx, filepath.Join(dir, "bin", "kc.sh"), "build", "--db=dev-file")
	command.Env = append(os.Environ(), "JAVA="+java)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build Keycloak: %w\n%s", err, out)
	}
	return nil
}

// progress tells how much of a download is there, a fifth at a time.
type progress struct {
	reader            io.Reader
	read, total, told int64
	logf              func(string, ...any)
}

// Read reads on.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.reader.Read(b)
	p.read += int64(n)
	if p.total > 0 && p.read*5/p.total > p.told {
		p.told = p.read * 5 / p.total
		p.logf("fetching Keycloak %s, once: %d of %d MB", Version, p.read>>20, p.total>>20)
	}
	return n, err
}
