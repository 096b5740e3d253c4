// Package keycloak runs the gateway behind a real Keycloak: who is let in as what, who is refused with which words, and
// what becomes of people while Keycloak changes its keys, ends their sessions or is away.
package keycloak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// The frontends, each with issuers of its own.
const (
	plain   = iota // the stack's realm, as make run has it
	watched        // a realm behind the proxy
	strict         // the stack's realm, asked about every token; two issuers more
)

// skew is how much later than it should a token may be refused, so that a test need not wait for half a minute.
const skew = 4 * time.Second

// briefly is how long the strict frontend believes Keycloak's word about a token.
const briefly = 2 * time.Second

// world is the one stack that the tests share, one after the other.
type world struct {
	*stacktest.Stack
	admin     admin
	proxy     *proxy     // counts what reaches the realm "watched"
	authority *authority // an issuer that signs whatever it is asked to
}

// realmWatched is reached through the proxy only, realmPartners directly.
const (
	realmWatched  = "watched"
	realmPartners = "partners"
)

var shared *world

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	w, err := start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared = w
	code := m.Run()
	w.proxy.Close()
	w.authority.Close()
	if err := w.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func start(ctx context.Context) (*world, error) {
	stack, err := stacktest.Start(ctx, "--keycloak", "--frontends", "3", "--set", "frontend:oidc.clock_skew="+skew.String())
	if err != nil {
		return nil, err
	}
	w := &world{Stack: stack, admin: admin{stack.Keycloak}}
	if err := w.furnish(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// furnish makes the other realms and issuers, and frontends that trust them.
func (w *world) furnish(ctx context.Context) error {
	var err error
	if w.proxy, err = newProxy(w.Keycloak.URL); err != nil {
		return err
	}
	if w.authority, err = newAuthority(); err != nil {
		return err
	}
	if err := w.makeRealm(ctx, realmWatched, w.proxy.URL); err != nil {
		return err
	}
	if err := w.makeRealm(ctx, realmPartners, ""); err != nil {
		return err
	}
	if err := w.reconfigure(ctx, watched, map[string]any{"issuer": w.issuer(realmWatched), "clock_skew": skew.String()}); err != nil {
		return err
	}
	return w.reconfigure(ctx, strict, map[string]any{
		"issuer": w.Issuer, "clock_skew": skew.String(),
		"introspection": map[string]any{
			"mode": "always", "client_id": "llm-gateway", "cache": briefly.String(),
			"client_secret_file": filepath.Join(w.Dir, "keycloak-client-secret"),
		},
		"additional": []any{
			map[string]any{"issuer": w.issuer(realmPartners), "subject_prefix": "partners:"},
			map[string]any{"issuer": w.authority.URL, "subject_prefix": "authority:"},
		},
	})
}

// reconfigure gives a frontend other issuers, and waits until it serves again.
func (w *world) reconfigure(ctx context.Context, frontend int, oidc map[string]any) error {
	name := fmt.Sprintf("frontend-%d", frontend+1)
	file := filepath.Join(w.Dir, name+".yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var settings map[string]any
	if err := yaml.Unmarshal(text, &settings); err != nil {
		return err
	}
	settings["oidc"] = oidc
	if text, err = yaml.Marshal(settings); err != nil {
		return err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	return w.Do(ctx, "kill/"+name+"?wait=true")
}

// eventually waits for something that other processes bring about.
func eventually(t *testing.T, patience time.Duration, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
