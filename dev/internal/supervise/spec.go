package supervise

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Spec says what to run and how to treat it.
type Spec struct {
	// Name is how people and the control API call the process.
	Name string
	// Path and Args are the program and its arguments (without the program's name).
	Path string
	Args []string
	// Env is the environment; nil means the supervisor's own.
	Env []string
	// Dir is the working directory; empty means the supervisor's.
	Dir string
	// LogFile receives stdout and stderr, appended.
	LogFile string
	// Credential makes the child run as another user; nil means the supervisor's.
	Credential *syscall.Credential
	// Before runs before every start, restarts included. It is the place to
	// clear away what a killed predecessor left behind.
	Before func(ctx context.Context) error
	// Ready returns nil once the process serves; it is polled. Nil means a
	// process is ready as soon as it runs.
	Ready func(ctx context.Context) error
	// ReadyTimeout bounds the wait for Ready; zero means 60 s.
	ReadyTimeout time.Duration
	// StopSignal asks for a clean end; nil means SIGTERM.
	StopSignal os.Signal
	// StopTimeout is how long a clean end may take before SIGKILL; zero means 20 s.
	StopTimeout time.Duration
}

// withDefaults fills in what the caller left out.
func (s Spec) withDefaults() Spec {
	if s.ReadyTimeout == 0 {
		s.ReadyTimeout = time.Minute
	}
	if s.StopSignal == nil {
		s.StopSignal = syscall.SIGTERM
	}
	if s.StopTimeout == 0 {
		s.StopTimeout = 20 * time.Second
	}
	return s
}

// command builds the child. It takes no context: a child ends when it is told
// to, not when its starter moves on.
func (s Spec) command(log *os.File) *exec.Cmd {
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Dir, s.Env, log, log
	cmd.SysProcAttr = sysProcAttr(s.Credential)
	return cmd
}

// State is where a process is in its life.
type State string

// The states of a process.
const (
	Stopped  State = "stopped"  // not running, and not meant to
	Starting State = "starting" // running, not serving yet
	Running  State = "running"  // running and ready
	Paused   State = "paused"   // frozen by SIGSTOP
	Backoff  State = "backoff"  // died; about to be started again
)

// Info is a snapshot of a process, in the form the control API shows it.
type Info struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"` // 0 when there is no process
	State    State  `json:"state"`
	Restarts int    `json:"restarts"` // unexpected deaths and kills so far
}
