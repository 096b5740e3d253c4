package supervise

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"
)

// Process is one supervised child. Its methods are safe for concurrent use;
// operations on one process run one after the other.
type Process struct {
	spec Spec
	host *Host

	op sync.Mutex // held by Start, Stop, Kill, Pause, Resume

	mu       sync.Mutex // guards the rest
	state    State
	life     *life // the running child, or the last one
	restarts int
	crashes  int         // deaths in a row, each soon after its start
	retry    *time.Timer // pending restart while in Backoff
}

// life is one incarnation of the child, from fork to reaping.
type life struct {
	cmd       *exec.Cmd
	started   time.Time
	logOffset int64         // length of the log at its start
	done      chan struct{} // closed once it is reaped
	err       error         // how it ended; valid after done

	// Guarded by Process.mu. A child that ends while either is set is not
	// started again: Start reports its death, or somebody asked for it.
	booting  bool
	expected bool
}

// New returns a stopped process.
func New(host *Host, spec Spec) *Process {
	return &Process{spec: spec.withDefaults(), host: host, state: Stopped}
}

// Name returns the name of the process.
func (p *Process) Name() string { return p.spec.Name }

// Info returns a snapshot of the process.
func (p *Process) Info() Info {
	p.mu.Lock()
	defer p.mu.Unlock()
	info := Info{Name: p.spec.Name, State: p.state, Restarts: p.restarts}
	if p.alive() {
		info.PID = p.life.cmd.Process.Pid
	}
	return info
}

// alive reports whether there is a child. The caller holds mu.
func (p *Process) alive() bool {
	return p.state == Starting || p.state == Running || p.state == Paused
}

// launch forks the child and starts watching it.
func (p *Process) launch(ctx context.Context, booting bool) error {
	if p.spec.Before != nil {
		if err := p.spec.Before(ctx); err != nil {
			return fmt.Errorf("prepare %s: %w", p.spec.Name, err)
		}
	}
	log, offset, err := openLog(p.spec.LogFile)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own copy
	cmd := p.spec.command(log)
	if err := p.fork(&life{cmd: cmd, logOffset: offset, done: make(chan struct{}), booting: booting}); err != nil {
		return err
	}
	p.host.OnChange()
	return nil
}

// fork starts the child of l and makes it the current one.
func (p *Process) fork(l *life) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.host.start(l.cmd); err != nil {
		return err
	}
	l.started = time.Now()
	p.life, p.state = l, Starting
	go p.watch(l)
	return nil
}

// awaitReady polls Ready until the child serves, dies or runs out of time.
func (p *Process) awaitReady(ctx context.Context) error {
	p.mu.Lock()
	current := p.life
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.spec.ReadyTimeout)
	defer cancel()
	for delay := 5 * time.Millisecond; p.spec.Ready != nil; delay = min(2*delay, 100*time.Millisecond) {
		err := p.tryReady(ctx)
		if err == nil {
			break
		}
		select {
		case <-current.done:
			return p.failed(current, fmt.Errorf("it ended at once: %w", exitError(current.err)))
		case <-ctx.Done():
			return p.failed(current, fmt.Errorf("it was not ready in time: %w", err))
		case <-time.After(delay):
		}
	}
	if !p.markRunning(current) {
		return p.failed(current, fmt.Errorf("it ended at once: %w", exitError(current.err)))
	}
	p.host.OnChange()
	return nil
}

// tryReady asks once. A child that takes the question and never answers must not
// hide that it ended meanwhile.
func (p *Process) tryReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return p.spec.Ready(ctx)
}

// markRunning ends the start-up of a child; false means that it is dead.
func (p *Process) markRunning(l *life) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-l.done:
		return false
	default:
	}
	l.booting = false
	if p.state == Starting {
		p.state = Running
	}
	return true
}

// failed wraps a start-up error with the end of the child's log.
func (p *Process) failed(l *life, err error) error {
	err = fmt.Errorf("%s did not start: %w (log: %s)", p.spec.Name, err, p.spec.LogFile)
	if tail := Tail(p.spec.LogFile, l.logOffset, 15); tail != "" {
		err = fmt.Errorf("%w\n%s", err, tail)
	}
	return err
}

// exitError gives the silent exit of a child that was not meant to end words.
func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}
