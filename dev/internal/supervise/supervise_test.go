package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// shell returns a process that runs a shell script, and the lines the
// supervisor said so far.
func shell(t *testing.T, script string, adjust ...func(*Spec)) (*Process, func() string) {
	t.Helper()
	var mu sync.Mutex
	var said strings.Builder
	host := NewHost(func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&said, format+"\n", args...)
	}, nil)
	spec := Spec{
		Name: "child", Path: "/bin/sh", Args: []string{"-c", script},
		LogFile: filepath.Join(t.TempDir(), "child.log"), ReadyTimeout: 5 * time.Second,
	}
	for _, f := range adjust {
		f(&spec)
	}
	process := New(host, spec)
	t.Cleanup(func() { process.Stop(time.Second); host.Close() })
	return process, func() string { mu.Lock(); defer mu.Unlock(); return said.String() }
}

func start(t *testing.T, p *Process) Info {
	t.Helper()
	if err := p.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p.Info()
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("did not happen in time: %s", what)
}

func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestStopEndsTheChildAndItStaysStopped(t *testing.T) {
	p, _ := shell(t, "exec sleep 60")
	info := start(t, p)
	if info.State != Running || info.PID == 0 {
		t.Fatalf("after Start: %+v", info)
	}
	p.Stop(0)
	time.Sleep(2 * firstDelay)
	if got := p.Info(); got.State != Stopped || got.PID != 0 || got.Restarts != 0 || exists(info.PID) {
		t.Fatalf("after Stop: %+v", got)
	}
	if again := start(t, p); again.PID == info.PID {
		t.Fatal("Start after Stop gave no new child")
	}
}

func TestKilledChildIsStartedAgain(t *testing.T) {
	p, said := shell(t, "exec sleep 60")
	first := start(t, p)
	if err := p.Kill(false); err != nil {
		t.Fatal(err)
	}
	if exists(first.PID) {
		t.Fatal("Kill returned before the child was gone")
	}
	eventually(t, "a new child", func() bool { return p.Info().State == Running })
	if got := p.Info(); got.PID == first.PID || got.Restarts != 1 {
		t.Fatalf("after the restart: %+v, before: %+v", got, first)
	}
	if !strings.Contains(said(), "child ended (signal: killed)") {
		t.Errorf("the death was not reported: %q", said())
	}
}

func TestKillCanLeaveTheChildDown(t *testing.T) {
	p, _ := shell(t, "exec sleep 60")
	start(t, p)
	if err := p.Kill(true); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * firstDelay)
	if got := p.Info(); got.State != Stopped {
		t.Fatalf("the child is back: %+v", got)
	}
	if err := p.Kill(true); err == nil {
		t.Fatal("killing a stopped process is no error")
	}
}

func TestKillReachesGrandchildren(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("needs /proc")
	}
	pidFile := filepath.Join(t.TempDir(), "pid")
	p, _ := shell(t, "setsid sleep 60 & echo $! > "+pidFile+"; wait")
	start(t, p)
	var grandchild int
	eventually(t, "the grandchild", func() bool {
		content, _ := os.ReadFile(pidFile)
		_, err := fmt.Sscan(string(content), &grandchild)
		return err == nil
	})
	if err := p.Kill(true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the grandchild", func() bool { return !exists(grandchild) })
}

func TestPausedChildIsFrozenUntilResumed(t *testing.T) {
	counter := filepath.Join(t.TempDir(), "counter")
	p, _ := shell(t, "while :; do echo x >> "+counter+"; sleep 0.01; done")
	start(t, p)
	size := func() int64 {
		info, err := os.Stat(counter)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	eventually(t, "the first line", func() bool { return size() > 0 })
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	frozen := size()
	time.Sleep(100 * time.Millisecond)
	if size() != frozen || p.Info().State != Paused {
		t.Fatalf("the paused child goes on: %d then %d bytes, %+v", frozen, size(), p.Info())
	}
	if err := p.Start(context.Background()); err == nil {
		t.Error("starting a paused process is no error")
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "more lines", func() bool { return size() > frozen })
}

func TestStopReachesAPausedChild(t *testing.T) {
	p, _ := shell(t, "exec sleep 60")
	start(t, p)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	p.Stop(10 * time.Second)
	if took := time.Since(begin); took > 5*time.Second {
		t.Fatalf("Stop took %s", took)
	}
}

func TestStopKillsAChildThatIgnoresTheSignal(t *testing.T) {
	p, said := shell(t, "trap '' TERM; echo up; while :; do sleep 0.05; done")
	start(t, p)
	eventually(t, "the trap", func() bool { return Tail(p.spec.LogFile, 0, 1) != "" })
	p.Stop(200 * time.Millisecond)
	if !strings.Contains(said(), "did not stop within 200ms") {
		t.Errorf("the kill was not reported: %q", said())
	}
}

func TestFailedStartCarriesTheEndOfTheLog(t *testing.T) {
	p, _ := shell(t, "echo the reason is here; exit 3", func(s *Spec) {
		s.Ready = func(context.Context) error { return errors.New("not yet") }
	})
	err := p.Start(context.Background())
	if err == nil || !strings.Contains(err.Error(), "the reason is here") || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("Start = %v", err)
	}
	time.Sleep(2 * firstDelay)
	if got := p.Info(); got.State != Stopped || got.Restarts != 0 {
		t.Fatalf("a failed start was retried: %+v", got)
	}
}

func TestStartGivesUpOnAChildThatIsNeverReady(t *testing.T) {
	p, _ := shell(t, "exec sleep 60", func(s *Spec) {
		s.Ready = func(context.Context) error { return errors.New("still loading") }
		s.ReadyTimeout = 100 * time.Millisecond
	})
	err := p.Start(context.Background())
	if err == nil || !strings.Contains(err.Error(), "still loading") || p.Info().State != Stopped {
		t.Fatalf("Start = %v, %+v", err, p.Info())
	}
}

func TestCrashLoopBacksOffAndShowsTheLog(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "crash")
	p, said := shell(t, "test -e "+flag+" && { echo crashed; exit 1; }; exec sleep 60", func(s *Spec) {
		// A child that lives for a moment counts as started.
		s.Ready = func(context.Context) error { return nil }
	})
	start(t, p)
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a second, later retry with the log", func() bool {
		return strings.Contains(said(), "again in 1s") && strings.Contains(said(), "    crashed")
	})
	p.Stop(0)
	if got := p.Info(); got.State != Stopped {
		t.Fatalf("Stop did not end the retries: %+v", got)
	}
}

func TestBeforeRunsAheadOfEveryStart(t *testing.T) {
	var calls int
	p, _ := shell(t, "exec sleep 60", func(s *Spec) {
		s.Before = func(context.Context) error { calls++; return nil }
	})
	start(t, p)
	if err := p.Kill(false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the restart", func() bool { return p.Info().State == Running })
	p.Stop(0)
	if calls != 2 {
		t.Fatalf("Before ran %d times, want 2", calls)
	}
}
