package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/api"
)

func (s *session) quotaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "quota", Short: "Show what you may use, and have used", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			return s.quota(cmd.Context(), c)
		},
	}
}

func (s *session) quota(ctx context.Context, c *client) error {
	var q api.Quota
	if err := c.get(ctx, "/quota", &q); err != nil {
		return err
	}
	if s.json {
		return s.writeJSON(q)
	}
	whose := fmt.Sprintf("%s, tier %s", q.User, q.Tier)
	if q.Override != "" {
		whose += ", with the limits of the " + q.Override
	}
	fmt.Fprintln(s.Out, whose)
	w := s.table()
	for i := range q.Limits {
		l := &q.Limits[i]
		fmt.Fprintf(w, "%s\t%s\t%s of %s\t%s left\t%s\n", limitName(l), share(l), grouped(l.Used), grouped(l.Limit), grouped(l.Remaining), s.reset(l))
	}
	for _, line := range []struct {
		name string
		api.QuotaLine
	}{{api.RequestsPerDay, q.Requests}, {api.TokensPerDay, q.Tokens}} {
		if line.Limit == nil {
			fmt.Fprintf(w, "%s\t\t%s\tno limit\n", words(line.name), grouped(line.Used))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "The day is that of %s; it ends %s.\n", q.Window.Timezone, s.when(q.Window.Reset))
	return nil
}

// limitName is a limit for people: "requests per day, opus".
func limitName(l *api.Limit) string {
	if l.Class != "" {
		return words(l.Name) + ", " + l.Class
	}
	return words(l.Name)
}

func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

// share is how much of a limit is used, drawn. What was lowered below its use is full.
func share(l *api.Limit) string {
	if l.Limit < 1 {
		return bar(1, 1)
	}
	const parts = 1000 // so that no number of tokens is too large
	used := float64(min(max(l.Used, 0), l.Limit)) / float64(l.Limit)
	return bar(int(used*parts), parts)
}

// reset says when a limit is free again.
func (s *session) reset(l *api.Limit) string {
	switch {
	case l.Reset == nil:
		return "free as requests end"
	case l.Used == 0:
		return ""
	}
	return "resets " + s.when(*l.Reset)
}

// when is a time of the near future: "at 00:00 (in 3 h 12 m)".
func (s *session) when(t time.Time) string {
	return fmt.Sprintf("at %s (in %s)", s.clock(t), period(t.Sub(s.Now())))
}
