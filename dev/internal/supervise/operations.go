package supervise

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Start runs the process and waits until it is ready. Starting one that runs
// already only waits. A process that dies or does not become ready is stopped
// and the error carries the end of its log.
func (p *Process) Start(ctx context.Context) error {
	p.op.Lock()
	defer p.op.Unlock()
	p.mu.Lock()
	alive, paused := p.alive(), p.state == Paused
	if !alive {
		p.cancelRetry()
		p.crashes = 0
	}
	p.mu.Unlock()
	if paused {
		return fmt.Errorf("%s is paused: resume it instead", p.spec.Name)
	}
	if !alive {
		if err := p.launch(ctx, true); err != nil {
			return err
		}
	}
	if err := p.awaitReady(ctx); err != nil {
		p.stop(p.spec.StopTimeout)
		return err
	}
	return nil
}

// Stop asks the child to end, waits, and kills it when it takes longer than
// timeout; zero means its StopTimeout. The process stays stopped until Start.
func (p *Process) Stop(timeout time.Duration) {
	p.op.Lock()
	defer p.op.Unlock()
	if timeout == 0 {
		timeout = p.spec.StopTimeout
	}
	p.stop(timeout)
}

// stop does what Stop says; the caller holds op.
func (p *Process) stop(timeout time.Duration) {
	p.mu.Lock()
	p.cancelRetry()
	if !p.alive() {
		p.state = Stopped
		p.mu.Unlock()
		p.host.OnChange()
		return
	}
	current := p.life
	paused := p.state == Paused
	current.expected = true
	p.mu.Unlock()

	pid := current.cmd.Process.Pid
	// Only the child itself is asked: what it forked is its own to end.
	_ = current.cmd.Process.Signal(p.spec.StopSignal)
	if paused {
		_ = thawTree(pid) // a frozen process sees no signal
	}
	select {
	case <-current.done:
	case <-time.After(timeout):
		p.host.Logf("%s did not stop within %s: killing it", p.spec.Name, timeout)
		_ = killTree(pid)
		<-current.done
	}
}

// Kill sends SIGKILL to the child and everything it forked, and returns once it
// is gone. It is started again like any other that died, unless stayDown.
func (p *Process) Kill(stayDown bool) error {
	p.op.Lock()
	defer p.op.Unlock()
	current, err := p.signal(killTree, func(l *life) { l.expected = stayDown })
	if err != nil {
		return err
	}
	<-current.done
	return nil
}

// KillNow kills the child without waiting for operations in progress. It is the
// last resort of a supervisor that has to leave at once.
func (p *Process) KillNow() {
	_, _ = p.signal(killTree, func(l *life) { l.expected = true })
}

// Pause freezes the child and everything it forked.
func (p *Process) Pause() error {
	return p.freeze(func(pid int) error { _, err := freezeTree(pid); return err }, Paused)
}

// Resume lets a frozen child go on.
func (p *Process) Resume() error { return p.freeze(thawTree, Running) }

// freeze sends the signals of Pause and Resume.
func (p *Process) freeze(send func(pid int) error, next State) error {
	p.op.Lock()
	defer p.op.Unlock()
	_, err := p.signal(send, func(*life) { p.state = next })
	if err == nil {
		p.host.OnChange()
	}
	return err
}

// signal has send reach the child and, if it did, notes the fact under the lock.
func (p *Process) signal(send func(pid int) error, note func(*life)) (*life, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive() {
		return nil, fmt.Errorf("%s is not running (%s): start it first", p.spec.Name, p.state)
	}
	if err := send(p.life.cmd.Process.Pid); err != nil && !errors.Is(err, syscall.ESRCH) {
		return nil, fmt.Errorf("signal %s: %w", p.spec.Name, err)
	}
	note(p.life)
	return p.life, nil
}
