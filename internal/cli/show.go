package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

func (s *session) show(ctx context.Context, c *client, id string) error {
	b, err := c.batch(ctx, id)
	if err != nil {
		return err
	}
	if s.json {
		return s.writeJSON(b)
	}
	w := s.table()
	row := rows(w)
	row("id", b.ID)
	row("endpoint", b.Endpoint)
	row("state", s.state(&b))
	row("items", counts(b.Counts))
	row("failures", kinds(b.Failures))
	for _, e := range b.InputErrors {
		row("mistake", mistake(e))
	}
	row("created", s.moment(b.CreatedAt))
	row("started", s.optional(b.StartedAt))
	if b.EndedAt == nil {
		row("expires", s.moment(b.ExpiresAt))
	}
	row("cancel asked for", s.optional(b.CancelRequestedAt))
	row("ended", s.optional(b.EndedAt))
	row("results deleted", s.optional(b.ArchivedAt))
	if u := b.Usage; b.EndedAt != nil {
		row("tokens", fmt.Sprintf("%s in, %s out, %s read from and %s written to caches", grouped(u.InputTokens), grouped(u.OutputTokens), grouped(u.CacheReadTokens), grouped(u.CacheWriteTokens)))
		row("cost", fmt.Sprintf("%.4f", u.Cost))
	}
	row("input file", b.InputFile)
	row("metadata", metadata(b.Metadata))
	row("workflow", b.WorkflowID)
	return w.Flush()
}

func (s *session) writeJSON(v any) error {
	e := json.NewEncoder(s.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// state is how a batch is, in a few words.
func (s *session) state(b *api.Batch) string {
	switch {
	case b.State == string(gateway.BatchEnded):
		return b.End
	case b.CancelRequestedAt != nil:
		return "is being canceled"
	case b.Waiting != nil:
		return s.waiting(b.Waiting)
	case b.Open:
		return b.State + ", open"
	}
	return b.State
}

// waiting says what a batch waits for: "waits for your quota until 00:00 (in 3 h 12 m)".
func (s *session) waiting(w *api.Waiting) string {
	now := s.Now()
	until := fmt.Sprintf("until %s (in %s)", s.clock(w.Until), period(w.Until.Sub(now)))
	switch gateway.WaitReason(w.Reason) {
	case gateway.WaitQuota:
		return "waits for your quota " + until
	case gateway.WaitBackend:
		return "waits for a backend that is busy or away, " + until + " at most"
	case gateway.WaitNative:
		return "waits for a batch of the backend's own, " + until + " at most"
	case gateway.WaitItems:
		return "waits for more items " + until
	}
	return w.Message
}

// clock is a time of the near future or past, in the user's zone.
func (s *session) clock(t time.Time) string {
	now := s.Now()
	if d := t.Sub(now); d.Abs() < 24*time.Hour {
		return t.In(now.Location()).Format("15:04")
	}
	return s.moment(t)
}

// moment is a time in the user's zone.
func (s *session) moment(t time.Time) string {
	return t.In(s.Now().Location()).Format("2006-01-02 15:04:05")
}

func (s *session) optional(t *time.Time) string {
	if t == nil {
		return ""
	}
	return s.moment(*t)
}

// ended is how many items have their result.
func ended(c api.Counts) int { return c.Succeeded + c.Errored + c.Canceled + c.Expired }

// counts tells the items by what became of them; what is zero is left out, but for those that succeeded.
func counts(c api.Counts) string {
	text := fmt.Sprintf("%s: %s succeeded", grouped(c.Total), grouped(c.Succeeded))
	for _, part := range []struct {
		n    int
		name string
	}{{c.Errored, "failed"}, {c.Canceled, "canceled"}, {c.Expired, "expired"}, {c.Running, "running"}, {c.Waiting, "waiting"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %s %s", grouped(part.n), part.name)
		}
	}
	return text
}

// kinds tells failures by their kind, the most frequent first: "rate_limit_error 10, api_error 2".
func kinds(failures map[string]int) string {
	names := slices.SortedFunc(maps.Keys(failures), func(a, b string) int {
		if d := failures[b] - failures[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = name + " " + grouped(failures[name])
	}
	return strings.Join(names, ", ")
}

// mistake is one in the input of a batch: "line 7: the url is missing (body.url)".
func mistake(e api.InputError) string {
	text := e.Message
	if e.Line > 0 {
		text = fmt.Sprintf("line %d: %s", e.Line, text)
	}
	if e.Param != "" {
		text += " (" + e.Param + ")"
	}
	return text
}

func metadata(pairs map[string]string) string {
	list := make([]string, 0, len(pairs))
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		list = append(list, key+"="+pairs[key])
	}
	return strings.Join(list, ", ")
}
