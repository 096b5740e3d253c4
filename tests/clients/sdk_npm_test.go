package clients_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// npm is an SDK of npm, run by a program in a process of its own.
type npm struct{ program, name string }

func (n npm) call(t *testing.T, ctx context.Context, o order) reply {
	t.Helper()
	encoded, err := json.Marshal(struct {
		order
		Package string `json:"package"`
	}{o, n.name})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "node", n.program, string(encoded))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("node: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var r reply
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	r.Events = slices.DeleteFunc(r.Events, func(event string) bool { return event == "ping" })
	return r
}
