package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// barLength is how many characters the progress bar has.
const barLength = 40

// BatchProgress is the answer to the query Progress.
type BatchProgress struct {
	ID            string                 `json:"id,omitempty"` // "msgbatch_…", "batch_…"; "" while the token is checked
	State         gateway.BatchState     `json:"state"`        // "validating", "running", "closing", "ended"
	End           gateway.BatchEnd       `json:"end,omitempty"`
	Open          bool                   `json:"open"` // items may be added
	Counts        activities.BatchCounts `json:"counts"`
	RunningChunks int                    `json:"running_chunks"`
	Wait          *BatchWait             `json:"wait"` // null while it waits for nothing
	ExpiresAt     time.Time              `json:"expires_at,omitzero"`
}

// BatchWait is what a batch waits for, and until when at most.
type BatchWait struct {
	Reason gateway.WaitReason `json:"reason"` // "quota", "backend", "native", "items"
	Until  time.Time          `json:"until"`
}

func (b *batch) progress() (BatchProgress, error) {
	p := BatchProgress{
		ID: b.plan.PublicID, State: b.state(), Open: b.open && b.stop == "", Counts: activities.CountsOf(b.total, b.counts()),
		RunningChunks: len(b.running), ExpiresAt: b.plan.ExpiresAt,
	}
	if ended := b.plan.Ended; ended != nil {
		p.End, p.Counts = ended.End, ended.Counts
	} else if wait := b.waits(); wait != (gateway.Wait{}) {
		p.Wait = &BatchWait{wait.Reason, wait.Until}
	}
	return p, nil
}

func (b *batch) state() gateway.BatchState {
	switch {
	case b.plan.Ended != nil:
		return gateway.BatchEnded
	case b.stop != "":
		return gateway.BatchClosing
	case b.ready:
		return gateway.BatchRunning
	}
	return gateway.BatchValidating
}

// counts are those of all items that are known to have ended.
func (b *batch) counts() gateway.ItemCounts {
	counts := b.done
	for _, p := range b.waiting {
		counts = counts.Plus(p.Counts)
	}
	for _, f := range b.running {
		counts = counts.Plus(f.Counts)
	}
	return counts
}

// waits is what the batch as a whole waits for; zero if for nothing.
func (b *batch) waits() gateway.Wait {
	switch {
	case b.stop != "" || !b.ready:
		return gateway.Wait{}
	case b.held():
		return b.hold
	case b.allEnded() && b.open:
		return gateway.Wait{Reason: gateway.WaitItems, Until: b.plan.ExpiresAt}
	case b.next < b.total:
		return gateway.Wait{}
	}
	return b.waitsNative()
}

// waitsNative is the wait for batches of backends' own, if nothing else is under way.
func (b *batch) waitsNative() (wait gateway.Wait) {
	pieces := b.waiting
	for _, f := range b.running {
		pieces = append(pieces[:len(pieces):len(pieces)], f.piece)
	}
	for _, p := range pieces {
		if !p.Native {
			return gateway.Wait{}
		}
		if p.NotUntil.After(wait.Until) {
			wait = gateway.Wait{Reason: gateway.WaitNative, Until: p.NotUntil}
		}
	}
	return wait
}

// tell puts on record what the batch waits for, where that has changed, and shows it.
func (b *batch) tell(ctx workflow.Context) error {
	wait := b.waits()
	if b.stop == "" && (wait.Reason != b.told.Reason || !wait.Until.Equal(b.told.Until)) {
		if err := step(ctx, nil, b.steps.Hold, b.id, wait); err != nil {
			return cause(err)
		}
		b.told = wait
	}
	status := "running"
	if wait != (gateway.Wait{}) {
		status = "waiting"
	}
	b.show(ctx)
	return b.setStatus(ctx, status)
}

// setStatus changes what the batch is searched for by, if it does change.
func (b *batch) setStatus(ctx workflow.Context, status string) error {
	if b.status == status {
		return nil
	}
	k := newAttributes()
	changed := []temporal.SearchAttributeUpdate{k.status.ValueSet(status)}
	if b.status == "" && b.plan.User != "" { // one that the gateway did not start has none yet
		changed = append(changed, k.user.ValueSet(cut(b.plan.User, maxAttribute)), k.tier.ValueSet(cut(string(b.plan.Tier), maxAttribute)))
	}
	b.status = status
	return workflow.UpsertTypedSearchAttributes(ctx, changed...)
}

// show tells the Web UI how far the batch is.
func (b *batch) show(ctx workflow.Context) {
	p, _ := b.progress()
	workflow.SetCurrentDetails(ctx, b.details(p))
}

// details are the progress as markdown: a bar, and a table.
func (b *batch) details(p BatchProgress) string {
	c := p.Counts
	ended := c.Succeeded + c.Errored + c.Canceled + c.Expired
	text := fmt.Appendf(nil, "**%s**\n\n", batchTitle(b.plan.User, string(b.plan.Tier), c.Total, b.plan.Endpoint))
	if c.Total > 0 {
		full := barLength * ended / c.Total
		text = fmt.Appendf(text, "`%s%s` %d %%\n\n", strings.Repeat("█", full), strings.Repeat("░", barLength-full), 100*ended/c.Total)
	}
	text = append(text, "| | |\n|---|---|\n"...)
	row := func(what, value string) { text = fmt.Appendf(text, "| %s | %s |\n", what, cell(value)) }
	count := func(what string, n int) {
		if n > 0 {
			row(what, grouped(int64(n)))
		}
	}
	row("state", strings.TrimSpace(string(p.State)+" "+string(p.End)))
	row("items", fmt.Sprintf("%s of %s have ended", grouped(int64(ended)), grouped(int64(c.Total))))
	count("succeeded", c.Succeeded)
	count("errored", c.Errored)
	count("canceled", c.Canceled)
	count("expired", c.Expired)
	count("chunks under way", p.RunningChunks)
	if p.Wait != nil {
		row("waits", b.waitsFor(gateway.Wait(*p.Wait)))
	}
	if p.Open {
		row("open", "items may be added with the update "+AddItemsUpdate+", until the signal "+CloseSignal)
	}
	if p.End == "" {
		row("expires", stamp(p.ExpiresAt))
	}
	text = fmt.Appendf(text, "\n`llmgw batch show %[1]s` tells the same, `llmgw batch results %[1]s` fetches the results once it has ended.\n", p.ID)
	return string(text)
}

// waitsFor says it in words: "for the quota of petra, until 2026-03-10 00:00:00Z at most".
func (b *batch) waitsFor(w gateway.Wait) string {
	what := map[gateway.WaitReason]string{
		gateway.WaitQuota: "the quota of " + name(b.plan.User), gateway.WaitBackend: "a backend that has too much to do, or is away",
		gateway.WaitNative: "batches at backends", gateway.WaitItems: "more items",
	}[w.Reason]
	return fmt.Sprintf("for %s, until %s at most", what, stamp(w.Until))
}

// BatchTitle is a batch in one line:
//
//	petra (pro) · batch of 25 · /v1/messages
func BatchTitle(b *gateway.Batch) string {
	return batchTitle(b.Principal.User, string(b.Principal.Tier), b.Total, b.Endpoint.Path())
}

func batchTitle(user, tier string, total int, path string) string {
	size := "batch"
	if total > 0 {
		size = "batch of " + grouped(int64(total))
	}
	return oneLine(fmt.Sprintf("%s (%s) · %s · %s", name(user), name(tier), size, path))
}

// BatchAttributes are the search attributes that a batch's workflow is started with.
func BatchAttributes(b *gateway.Batch) temporal.SearchAttributes {
	return Attributes(gateway.Entry{User: b.Principal.User, Tier: b.Principal.Tier, Status: "running"})
}
