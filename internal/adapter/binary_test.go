package adapter

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestTheCommandServesAndLeavesOnSIGTERM(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command")
	}
	bin := filepath.Join(t.TempDir(), "anthropic-adapter")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../cmd/anthropic-adapter").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	upstream := newService(t, replay(t, "anthropic_tool.sse"))
	address := freeAddress(t)
	path := write(t, "models.yaml", "asked: served")
	cmd := exec.CommandContext(t.Context(), bin, "--listen", address, "--model-map-file", path)
	for name, value := range environment(gateway.Anthropic, upstream.URL) {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, "LISTEN=:1", "ANTHROPIC_API_KEY=sk-ant-api-secret")
	log := &lines{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	base := "http://" + address
	eventually(t, func() error {
		res, err := http.Get(base + "/readyz")
		if err != nil {
			return fmt.Errorf("%w; the log is %s", err, log)
		}
		return res.Body.Close()
	})
	_, body := post(t, base+"/v1/chat/completions", prompt(gateway.OpenAI, "asked", true, true))
	if got := understand(t, gateway.OpenAI, true, body); !got.complete || got.tool != "weather" {
		t.Errorf("%+v of\n%s", got, body)
	}
	rewrite(t, path, "asked: changed")
	eventually(t, func() error {
		post(t, base+"/v1/messages", prompt(gateway.Anthropic, "asked", true, false))
		if sent := upstream.last(t).body; !strings.Contains(sent, "changed") {
			return errors.New("the new model map is not in force: " + sent)
		}
		return nil
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v; the log is %s", err, log)
	}
	if got := log.String(); strings.Count(got, "ANTHROPIC_API_KEY") != 1 || strings.Contains(got, "sk-ant") {
		t.Errorf("the log is %s", got)
	}
	out, err := exec.CommandContext(t.Context(), bin, "--backend-type", "bedrock", "--max-body", "0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), `BACKEND_TYPE is "bedrock"`) || !strings.Contains(string(out), "MAX_BODY is 0") {
		t.Errorf("%v %s", err, out)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
