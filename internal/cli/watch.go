package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	look   = 2 * time.Second  // between two looks at a batch
	report = 30 * time.Second // between two lines where there is no terminal
)

// watch follows a batch until it has ended. The end is the exit code. The user may go at any time: the batch goes on.
func (s *session) watch(ctx context.Context, c *client, id string) error {
	p := &progress{session: s, screen: s.screen()}
	defer p.screen.close()
	c.say = func(string, ...any) {} // the line below tells that the gateway is away
	for {
		b, err := c.batch(ctx, id)
		switch {
		case ctx.Err() != nil:
			return s.left(p, id)
		case err != nil && !transient(err):
			p.screen.clear()
			return fmt.Errorf("%w.\nThis stops the watching, not the batch. Watch it again: llmgw batch watch %s", err, id)
		case err != nil:
			p.away(err)
		default:
			p.show(&b)
			if b.State == string(gateway.BatchEnded) {
				p.screen.clear()
				return s.summary(&b)
			}
		}
		if err := s.Sleep(ctx, look); err != nil {
			return s.left(p, id)
		}
	}
}

func (s *session) left(p *progress, id string) error {
	p.screen.clear()
	s.say("You have stopped watching; the batch goes on.\nWatch it again: llmgw batch watch %s\nStop it:        llmgw batch cancel %s", id, id)
	return exit(exitInterrupted)
}

// summary tells how a batch ended, and answers the exit code.
func (s *session) summary(b *api.Batch) error {
	if s.json {
		if err := s.writeJSON(b); err != nil {
			return err
		}
	}
	colour, code := yellow, exit(exitStopped)
	switch end := gateway.BatchEnd(b.End); {
	case end == gateway.BatchRefused:
		colour, code = red, exit(exitWithErrors)
	case end == gateway.BatchCompleted && b.Counts.Succeeded < b.Counts.Total:
		colour, code = red, exit(exitWithErrors)
	case end == gateway.BatchCompleted:
		colour, code = green, exit(0)
	}
	line := fmt.Sprintf("%s %s", b.ID, s.paint(colour, b.End))
	if b.Counts.Total > 0 {
		line += ". " + counts(b.Counts)
	}
	if len(b.Failures) > 0 {
		line += " (" + kinds(b.Failures) + ")"
	}
	if b.StartedAt != nil && b.EndedAt != nil {
		line += fmt.Sprintf(". It took %s", period(b.EndedAt.Sub(*b.StartedAt)))
	}
	s.say("%s.", line)
	for _, e := range b.InputErrors {
		s.say("  %s", mistake(e))
	}
	if code == 0 {
		return nil
	}
	return code
}

// progress is what a user who watches a batch sees of it.
type progress struct {
	*session
	screen *screen
	seen   []sample // of the last minute, the oldest first

	told   string // the state in the last line where there is no terminal
	toldAt time.Time
}

// sample is how many items had ended at a time.
type sample struct {
	at    time.Time
	ended int
}

// show shows the batch as it is now.
func (p *progress) show(b *api.Batch) {
	now := p.Now()
	p.seen = append(p.seen, sample{now, ended(b.Counts)})
	for len(p.seen) > 2 && now.Sub(p.seen[0].at) > time.Minute {
		p.seen = p.seen[1:]
	}
	p.tell(now, p.state(b), p.line(b))
}

// away says that the batch cannot be seen.
func (p *progress) away(err error) {
	p.tell(p.Now(), "away", err.Error()+". Trying again; the batch goes on")
}

// tell draws the line on a terminal. Elsewhere it writes one for each change of the state, and now and then.
func (p *progress) tell(now time.Time, state, line string) {
	if p.Columns() > 0 {
		p.screen.draw(line)
		return
	}
	if state != p.told || now.Sub(p.toldAt) >= report {
		p.told, p.toldAt = state, now
		p.say("%s", line)
	}
}

// line is the batch in one line: "[####....] 4,500/10,000  45%  412/s  13 s left  12 failed: api_error 12".
func (p *progress) line(b *api.Batch) string {
	done, total := ended(b.Counts), b.Counts.Total
	if total == 0 { // its input is being read
		return p.state(b)
	}
	line := fmt.Sprintf("%s %s/%s  %d%%", bar(done, total), grouped(done), grouped(total), 100*done/total)
	rate := p.rate()
	if rate > 0 {
		line += "  " + perTime(rate)
	}
	switch state := p.state(b); {
	case b.State != string(gateway.BatchRunning), b.Waiting != nil, b.CancelRequestedAt != nil:
		line += "  " + state
	case rate > 0:
		line += "  " + period(time.Duration(float64(total-done)/rate*float64(time.Second))) + " left"
	}
	if b.Counts.Errored > 0 {
		line += fmt.Sprintf("  %s failed", grouped(b.Counts.Errored))
	}
	if len(b.Failures) > 0 {
		line += ": " + kinds(b.Failures)
	}
	return line
}

// rate is how many items ended in a second of late; 0 if that is not known.
func (p *progress) rate() float64 {
	first, last := p.seen[0], p.seen[len(p.seen)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(last.ended-first.ended) / seconds
}

// perTime is a rate per second; a low one is per minute.
func perTime(rate float64) string {
	if rate < 1 {
		return fmt.Sprintf("%.1f/min", rate*60)
	}
	return fmt.Sprintf("%.1f/s", rate)
}
