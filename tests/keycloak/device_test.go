package keycloak

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// lifespan is how long llmgw's tokens last in the realm "watched".
const lifespan = 3 * time.Second

// machine is somebody's, with llmgw on it, for the frontend "watched".
type machine struct {
	llmgw string
	env   []string
}

func (w *world) newMachine(t *testing.T) machine {
	t.Helper()
	root, err := stacktest.Root()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	return machine{filepath.Join(root, "bin", "llmgw"), []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, "config"), "LLMGW_URL=" + w.Frontends[watched],
	}}
}

func (m machine) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), m.llmgw, args...)
	cmd.Env = m.env
	return cmd
}

// run runs llmgw to its end, and returns what it found.
func (m machine) run(t *testing.T, args ...string) string {
	t.Helper()
	var errs bytes.Buffer
	cmd := m.command(t, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("llmgw %s: %v\n%s", args, err, &errs)
	}
	return strings.TrimSpace(string(out))
}

// login runs llmgw login; a person does with the page and the code what approve does. It returns all that llmgw said.
func (m machine) login(t *testing.T, approve func(page, code string)) (said string, err error) {
	t.Helper()
	cmd := m.command(t, "login", "--store", "file")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	page, code, about := "", "", ""
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		text.WriteString(line + "\n")
		switch {
		case strings.HasPrefix(line, "Open this page"):
			about = "page"
		case strings.HasPrefix(line, "and enter this code"):
			about = "code"
		case line != "" && about == "page":
			page, about = line, ""
		case line != "" && about == "code":
			code, about = line, ""
			approve(page, code)
		}
	}
	err = cmd.Wait()
	return text.String(), err
}

func TestLoginWithABrowserOnAnyDevice(t *testing.T) {
	w := shared
	w.shortLived(t)
	m := w.newMachine(t)
	said, err := m.login(t, func(page, code string) {
		if last := newPerson(t, "pro", code, "accept").visit(t, page); !strings.Contains(last, "Device Login Successful") {
			t.Errorf("the last page is\n%s", last)
		}
	})
	if err != nil || !strings.Contains(said, "pro") {
		t.Fatalf("llmgw login: %v\n%s", err, said)
	}
	token := m.run(t, "token")
	if got := w.served(t, watched, token); got.User != "pro" || got.Tier != "pro" {
		t.Errorf("%s of tier %s, want pro", got.User, got.Tier)
	}
	var quota struct{ User string }
	if err := json.Unmarshal([]byte(m.run(t, "quota", "--json")), &quota); err != nil || quota.User != "pro" {
		t.Errorf("llmgw quota: %+v, %v", quota, err)
	}

	time.Sleep(lifespan + skew)
	w.refused(t, watched, token, "expired at")
	fresh := m.run(t, "token")
	if fresh == token {
		t.Error("llmgw token gave the token that has expired")
	}
	w.served(t, watched, fresh)

	m.run(t, "logout")
	if out, err := m.command(t, "token").CombinedOutput(); err == nil || !strings.Contains(string(out), "llmgw login") {
		t.Errorf("llmgw token after llmgw logout: %v %s", err, out)
	}
	var sessions []any
	client := w.llmgw(t)["id"].(string)
	w.admin.must(t, http.MethodGet, "/"+realmWatched+"/users/"+w.user(t, realmWatched, "pro")["id"].(string)+"/offline-sessions/"+client, nil, &sessions)
	if len(sessions) != 0 {
		t.Errorf("the session goes on at Keycloak after llmgw logout: %v", sessions)
	}
}

func TestALoginThatIsTurnedDown(t *testing.T) {
	w := shared
	w.shortLived(t)
	m := w.newMachine(t)
	said, err := m.login(t, func(page, code string) { newPerson(t, "free", code, "cancel").visit(t, page) })
	if err == nil || !strings.Contains(said, "llmgw login") {
		t.Errorf("llmgw login: %v\n%s\nwant it to fail, and to say how to start over", err, said)
	}
}

// llmgw is the client of that name in the realm "watched".
func (w *world) llmgw(t *testing.T) map[string]any {
	t.Helper()
	var clients []map[string]any
	w.admin.must(t, http.MethodGet, "/"+realmWatched+"/clients?clientId=llmgw", nil, &clients)
	if len(clients) != 1 {
		t.Fatalf("%d clients llmgw", len(clients))
	}
	return clients[0]
}

// shortLived has the realm give llmgw tokens that expire soon, and lets it ask often whether it has been approved.
func (w *world) shortLived(t *testing.T) {
	t.Helper()
	client := w.llmgw(t)
	client["attributes"].(map[string]any)["access.token.lifespan"] = strconv.Itoa(int(lifespan.Seconds()))
	w.admin.must(t, http.MethodPut, "/"+realmWatched+"/clients/"+client["id"].(string), client, nil)
	w.admin.must(t, http.MethodPut, "/"+realmWatched, map[string]any{"oauth2DevicePollingInterval": 1}, nil)
}
