package supervise

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync"
)

// Host is what the processes of one supervisor share: the thread that forks
// them and the people to tell.
type Host struct {
	// Logf reports unexpected events (a death, a restart), one line each.
	Logf func(format string, args ...any)
	// OnChange is called after a process changed its pid or state.
	OnChange func()

	spawn chan spawnRequest
	close sync.Once
}

type spawnRequest struct {
	cmd    *exec.Cmd
	result chan error
}

// NewHost returns a host whose processes report to logf and onChange; both may be nil.
// Close it after its processes have stopped.
func NewHost(logf func(format string, args ...any), onChange func()) *Host {
	if logf == nil {
		logf = func(string, ...any) {}
	}
	if onChange == nil {
		onChange = func() {}
	}
	h := &Host{Logf: logf, OnChange: onChange, spawn: make(chan spawnRequest)}
	go h.spawner()
	return h
}

// spawner forks every child from one operating system thread that lives as long
// as the host. The kernel ties "parent death" to the thread that forked, not to
// the process: a child forked by a passing thread would die with that thread.
func (h *Host) spawner() {
	runtime.LockOSThread()
	for request := range h.spawn {
		request.result <- request.cmd.Start()
	}
}

// start runs cmd.Start on the spawning thread.
func (h *Host) start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	h.spawn <- spawnRequest{cmd: cmd, result: result}
	if err := <-result; err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return nil
}

// Close ends the spawning thread. Children still running are killed by the
// kernel then, where it ties them to that thread.
func (h *Host) Close() { h.close.Do(func() { close(h.spawn) }) }
