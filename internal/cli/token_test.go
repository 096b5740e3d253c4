package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/cli"
)

// desk is a machine with a user, for runs of the command in this process.
type desk struct {
	dir   string
	env   map[string]string
	ahead atomic.Int64 // of its clock, a time.Duration
}

func (d *desk) run(ctx context.Context, args ...string) (out, complaints string, code int) {
	var stdout, stderr bytes.Buffer
	code = cli.Run(ctx, cli.System{
		In: strings.NewReader(""), Out: &stdout, Err: &stderr,
		Getenv:    func(name string) string { return d.env[name] },
		Now:       func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) },
		Sleep:     func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Columns:   func() int { return 0 },
		ConfigDir: func() (string, error) { return d.dir, nil },
		HomeDir:   func() (string, error) { return d.dir, nil },
	}, args)
	return stdout.String(), stderr.String(), code
}

// A refresh token may be good for one use: of many commands that need a new token at once, one asks for it.
func TestManyCommandsShareOneRefresh(t *testing.T) {
	g, i := newFakeGateway(), newFakeIssuer()
	defer g.Close()
	defer i.Close()
	g.issuer = i.URL
	g.says["/api/doctor"] = `{"user":"petra"}`
	d := &desk{dir: t.TempDir(), env: map[string]string{"LLMGW_URL": g.URL}}
	if _, complaints, code := d.run(t.Context(), "login"); code != 0 {
		t.Fatal(complaints)
	}
	d.ahead.Store(int64(50 * time.Minute))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if out, complaints, code := d.run(t.Context(), "token"); code != 0 || out != "access-2\n" {
				t.Errorf("exit code %d, output %q: %s", code, out, complaints)
			}
		})
	}
	all.Wait()
	if want := "device llmgw openid offline_access S256\nrefresh llmgw refresh-1"; strings.Join(i.asked, "\n") != want {
		t.Errorf("the issuer was asked:\n%s\nwant:\n%s", strings.Join(i.asked, "\n"), want)
	}
}

// A token is renewed in time, and not more often than needed.
func TestATokenLivesLongEnoughForItsReader(t *testing.T) {
	for _, c := range []struct {
		life    int // of a token, in seconds
		after   time.Duration
		renewed bool
	}{
		{3600, 44 * time.Minute, false},
		{3600, 46 * time.Minute, true}, // a quarter is less
		{300, 210 * time.Second, false},
		{300, 235 * time.Second, true},
		{120, 50 * time.Second, false},
		{120, 65 * time.Second, true}, // a minute is less
		{20, 5 * time.Second, false},
		{20, 15 * time.Second, true}, // half of it is less
	} {
		t.Run(fmt.Sprintf("%d seconds after %s", c.life, c.after), func(t *testing.T) {
			t.Parallel()
			g, i := newFakeGateway(), newFakeIssuer()
			defer g.Close()
			defer i.Close()
			g.issuer, i.life = i.URL, c.life
			g.says["/api/doctor"] = `{"user":"petra"}`
			d := &desk{dir: t.TempDir(), env: map[string]string{"LLMGW_URL": g.URL}}
			if _, complaints, code := d.run(t.Context(), "login"); code != 0 {
				t.Fatal(complaints)
			}
			d.ahead.Store(int64(c.after))
			want := "access-1\n"
			if c.renewed {
				want = "access-2\n"
			}
			if out, complaints, _ := d.run(t.Context(), "token"); out != want {
				t.Errorf("got %q, want %q: %s", out, want, complaints)
			}
		})
	}
}
