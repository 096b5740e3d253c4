package supervise

import (
	"context"
	"time"
)

const (
	firstDelay = 500 * time.Millisecond // before the first restart
	maxDelay   = 10 * time.Second       // between restarts of a crash loop
	soon       = 5 * time.Second        // a death this early counts as a crash loop
)

// watch reaps one incarnation and, if its end was not asked for, plans the next.
func (p *Process) watch(l *life) {
	l.err = l.cmd.Wait()
	p.mu.Lock()
	var delay time.Duration
	if l.expected || l.booting {
		p.state = Stopped
	} else {
		delay = p.planRestart(l)
	}
	close(l.done)
	p.mu.Unlock()
	if delay > 0 {
		p.report(l, delay)
	}
	p.host.OnChange()
}

// planRestart schedules the next incarnation and returns the delay, which
// doubles for every death in a row. The caller holds mu.
func (p *Process) planRestart(l *life) time.Duration {
	p.restarts++
	if time.Since(l.started) < soon {
		p.crashes++
	} else {
		p.crashes = 1
	}
	delay := min(firstDelay<<min(p.crashes-1, 10), maxDelay)
	p.state = Backoff
	p.retry = time.AfterFunc(delay, p.restart)
	return delay
}

// report tells people about a death, with the end of the log once it repeats.
func (p *Process) report(l *life, delay time.Duration) {
	p.mu.Lock()
	crashes := p.crashes
	p.mu.Unlock()
	p.host.Logf("%s ended (%v): starting it again in %s", p.spec.Name, exitError(l.err), delay)
	if crashes > 1 {
		if tail := Tail(p.spec.LogFile, l.logOffset, 5); tail != "" {
			p.host.Logf("the end of %s:\n%s", p.spec.LogFile, tail)
		}
	}
}

// restart starts the next incarnation, unless somebody stopped or started the
// process since it was planned.
func (p *Process) restart() {
	p.op.Lock()
	defer p.op.Unlock()
	p.mu.Lock()
	due := p.state == Backoff
	p.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.spec.ReadyTimeout)
	if err := p.launch(ctx, false); err != nil {
		cancel()
		p.host.Logf("%v: trying again in %s", err, maxDelay)
		p.mu.Lock()
		p.retry = time.AfterFunc(maxDelay, p.restart)
		p.mu.Unlock()
		return
	}
	// The wait happens outside op: a process slow to get ready can be stopped.
	go func() {
		defer cancel()
		p.becomeRunning(ctx)
	}()
}

// becomeRunning waits for a restarted child to serve. One that never does stays
// in Starting: it is alive, and its log and state say what is wrong.
func (p *Process) becomeRunning(ctx context.Context) {
	if err := p.awaitReady(ctx); err != nil {
		if ctx.Err() != nil {
			p.host.Logf("%v", err)
		}
		return
	}
	p.host.Logf("%s is back (pid %d)", p.spec.Name, p.Info().PID)
}

// cancelRetry forgets a pending restart. The caller holds mu.
func (p *Process) cancelRetry() {
	if p.retry != nil {
		p.retry.Stop()
		p.retry = nil
	}
	if p.state == Backoff {
		p.state = Stopped
	}
}
