package oci

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/tools/image/imagetest"
)

// frontendConfig is enough for a frontend to start; none of what it names is there.
const frontendConfig = `
oidc: {issuer: "http://127.0.0.1:1"}
database: {url: "postgres://nobody@127.0.0.1:1/none"}
redis: {url: "redis://127.0.0.1:1/0"}
audit: {spool_dir: /tmp/spool}
quota: {timezone: Europe/Berlin}
backends:
  - {name: anthropic, dialects: [anthropic], base_url: "https://api.anthropic.com", auth: {mode: none}}
  - {name: internal, dialects: [openai], base_url: "http://127.0.0.1:1", auth: {mode: none}}
`

// unpacked unpacks an image where its user can get in.
func unpacked(t *testing.T, name string) *imagetest.Root {
	t.Helper()
	if err := imagetest.Impossible(); err != nil {
		t.Skip("SKIPPED:", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(built(t).layout), name+"-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := imagetest.Unpack(image(t, name), dir)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestEveryImageTellsItsCommit(t *testing.T) {
	for _, c := range commands() {
		t.Run(c.Name, func(t *testing.T) {
			cmd, err := unpacked(t, c.Name).Command(t.Context(), "--version")
			if err != nil {
				t.Fatal(err)
			}
			said, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(said), built(t).commit) {
				t.Errorf("--version says %q, %v; the commit is %s", said, err, built(t).commit)
			}
		})
	}
}

// A service starts without its dependencies, says that it is alive, and leaves when it is told to.
func TestEveryServiceAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		health, listen string
		args, env      []string
	}{
		"frontend":          {"/health", "LLMGW_HTTP__LISTEN", []string{"--config", "/tmp/config.yaml"}, []string{"LLMGW_HTTP__METRICS_LISTEN=", "LLMGW_HTTP__DRAIN_DELAY=0s"}},
		"worker":            {"/health", "LLMGW_HTTP__METRICS_LISTEN", []string{"--config", "/tmp/config.yaml"}, []string{"LLMGW_TEMPORAL__ADDRESS=127.0.0.1:1"}},
		"anthropic-adapter": {"/healthz", "LISTEN", nil, []string{"ANTHROPIC_OAUTH_TOKEN=t", "DRAIN_DELAY=0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			root := unpacked(t, name)
			if err := os.WriteFile(filepath.Join(root.Dir, "tmp", "config.yaml"), []byte(frontendConfig), 0o644); err != nil {
				t.Fatal(err)
			}
			address := freeAddress(t)
			cmd, err := root.Command(t.Context(), c.args...)
			if err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			cmd.Env = append(append(cmd.Env, c.env...), c.listen+"="+address)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			if err := healthy(t.Context(), "http://"+address+c.health, ended); err != nil {
				t.Fatalf("%v\n%s", err, &said)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("it did not end well: %v\n%s", err, &said)
				}
			case <-time.After(20 * time.Second):
				t.Errorf("it does not end:\n%s", &said)
			}
		})
	}
}

// healthy waits until a URL answers 200.
func healthy(ctx context.Context, url string, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("%s: %s", url, res.Status)
		}
		select {
		case <-ctx.Done():
			return err
		case ended := <-ended:
			return fmt.Errorf("it ended: %w", ended)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
