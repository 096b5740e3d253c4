package stack_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
	"github.com/openova-io/llm-gateway/dev/internal/postgres"
	"github.com/openova-io/llm-gateway/dev/internal/stack"
)

// command runs the stack as its own process, without the gateway.
func command(t *testing.T, dir string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"up", "--no-gateway", "--random-ports", "--quiet", "--shards=4", "--dir=" + dir}, args...)
	cmd := exec.CommandContext(t.Context(), self, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &out
}

func awaitState(t *testing.T, dir string) stack.State {
	t.Helper()
	eventually(t, "the state file", func() bool {
		_, err := os.Stat(filepath.Join(dir, "stack.json"))
		return err == nil
	})
	return readState(t, dir)
}

func TestChildrenDieWithAKilledStackAndTheNextOneRecovers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts every server")
	}
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("only Linux ties children to their parent")
	}
	dir := filepath.Join(t.TempDir(), "run")
	t.Cleanup(func() {
		if err := postgres.Wipe(dir); err != nil {
			t.Error(err)
		}
	})
	first, _ := command(t, dir)
	state := awaitState(t, dir)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	for name, pid := range state.PIDs {
		eventually(t, "the end of "+name, func() bool { return !exists(pid) })
	}

	second, out := command(t, dir)
	// The old state file is removed before anything else happens.
	eventually(t, "a new state file", func() bool {
		content, err := os.ReadFile(filepath.Join(dir, "stack.json"))
		return err == nil && strings.Contains(string(content), `"stack": `+strconv.Itoa(second.Process.Pid))
	})
	third, refusal := command(t, dir)
	if err := third.Wait(); err == nil || !strings.Contains(refusal.String(), "another stack runs in") {
		t.Errorf("a second stack in the same directory: %v %s", err, refusal)
	}
	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the end of the stack: %v %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "stack.json")); !os.IsNotExist(err) {
		t.Errorf("the state file is still there: %v", err)
	}
}

func TestStackEndsWithItsParent(t *testing.T) {
	if testing.Short() {
		t.Skip("starts every server")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	// A shell that starts the stack, waits for it, and is killed.
	shell := exec.CommandContext(t.Context(), "/bin/sh", "-c",
		self+" up --no-gateway --random-ports --ephemeral --quiet --shards=4 --dir="+dir+" & wait")
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	state := awaitState(t, dir)
	if err := shell.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = shell.Wait()
	for name, pid := range state.PIDs {
		eventually(t, "the end of "+name, func() bool { return !exists(pid) })
	}
}

func TestEveryTakenPortIsReportedAtOnce(t *testing.T) {
	o := options(t)
	o.RandomPorts, o.NoGateway = false, true
	o.Ports = stack.Ports{}
	others := ports.NewSet(true)
	defer others.Close()
	for _, port := range []*int{&o.Ports.Temporal, &o.Ports.Postgres} {
		taken, err := others.Choose(0, "somebody else", "other-port")
		if err != nil {
			t.Fatal(err)
		}
		*port = taken
	}
	_, err := stack.New(o)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"port " + strconv.Itoa(o.Ports.Temporal) + ", wanted for Temporal, is taken", "--temporal-port",
		"port " + strconv.Itoa(o.Ports.Postgres) + ", wanted for PostgreSQL, is taken", "--postgres-port",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func TestForeignDirectoryIsNotDeleted(t *testing.T) {
	o := options(t)
	o.Dir, o.NoGateway = t.TempDir(), true
	precious := filepath.Join(o.Dir, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := stack.New(o); err == nil || !strings.Contains(err.Error(), "will not be deleted") {
		t.Errorf("New = %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestMissingBinaryAndBadOverrideSayWhatToDo(t *testing.T) {
	o := options(t)
	o.FrontendBinary = filepath.Join(t.TempDir(), "frontend")
	if _, err := stack.New(o); err == nil || !strings.Contains(err.Error(), "--no-gateway") {
		t.Errorf("a missing binary: %v", err)
	}
	o = options(t)
	o.Set = []string{"audit.mode"}
	if _, err := stack.New(o); err == nil || !strings.Contains(err.Error(), "want key=value") {
		t.Errorf("a bad override: %v", err)
	}
}

func TestFailedStartLeavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("starts every server")
	}
	o := options(t)
	o.WorkerBinary = "/bin/false"
	s, err := stack.New(o)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "worker migrate failed") {
		t.Errorf("Start = %v", err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	if _, err := os.Stat(o.Dir); !os.IsNotExist(err) {
		t.Errorf("the state is still there: %v", err)
	}
}
