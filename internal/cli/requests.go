package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/api"
)

// requestFilters are those of GET /api/requests, by their names there.
func requestFilters() []struct{ name, usage string } {
	return []struct{ name, usage string }{
		{"user", "of this `name`; for auditors"},
		{"subject", "of this `id` at the identity provider; for auditors"},
		{"from", "admitted at this `time` or later: 2026-11-23, or 2026-11-23T08:00:00Z"},
		{"to", "admitted before this `time`"},
		{"status", "running, completed, failed, cancelled or interrupted"},
		{"model", "that this `model` answered"},
		{"session", "of this `session` of a client"},
		{"batch", "that are items of the batch of this `id`"},
	}
}

func (s *session) requestsCommand() *cobra.Command {
	requests := &cobra.Command{
		Use: "requests", Short: "Read the record of requests: your own, or as an auditor everybody's",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	requests.AddCommand(s.requestsListCommand(), s.requestsShowCommand())
	return requests
}

func (s *session) requestsListCommand() *cobra.Command {
	var limit int
	list := &cobra.Command{
		Use: "list", Short: "List requests, the newest first", Args: cobra.NoArgs,
		Example: "  llmgw requests list --status failed --from 2026-11-23\n  llmgw requests list --user petra --limit 0 --json",
	}
	flags := list.Flags()
	for _, f := range requestFilters() {
		flags.String(f.name, "", f.usage)
	}
	flags.IntVar(&limit, "limit", 20, "requests at most; 0 is all")
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := s.client()
		if err != nil {
			return err
		}
		query := url.Values{}
		for _, f := range requestFilters() {
			if value := flags.Lookup(f.name).Value.String(); value != "" {
				query.Set(f.name, value)
			}
		}
		return s.listRequests(cmd.Context(), c, query, limit)
	}
	return list
}

func (s *session) listRequests(ctx context.Context, c *client, query url.Values, limit int) error {
	found, err := c.requests(ctx, query, limit)
	if err != nil {
		return err
	}
	if s.json {
		return s.writeJSON(found)
	}
	if len(found.Data) == 0 {
		s.say("There are no such requests.")
		return nil
	}
	w := s.table()
	fmt.Fprintln(w, "ID\tADMITTED\tUSER\tMODEL\tSTATUS\tTOKENS\tTOOK")
	for i := range found.Data {
		r := &found.Data[i]
		took := ""
		if r.EndedAt != nil {
			took = fmt.Sprintf("%.1f s", r.EndedAt.Sub(r.AdmittedAt).Seconds())
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, s.moment(r.AdmittedAt), r.User, routed(r), status(r), grouped(r.Usage.InputTokens+r.Usage.OutputTokens), took)
	}
	if found.HasMore {
		s.say("There are more: --limit 0 shows all.")
	}
	return w.Flush()
}

// requests are the newest that the filters let pass, at most limit, or all if that is 0.
func (c *client) requests(ctx context.Context, query url.Values, limit int) (api.RequestList, error) {
	found, more, err := newest(ctx, c, "/api/requests", query, limit, func(r *api.Request) string { return r.ID })
	return api.RequestList{Data: found, HasMore: more}, err
}

func (s *session) requestsShowCommand() *cobra.Command {
	var body, reason string
	show := &cobra.Command{
		Use: "show ID", Short: "Tell everything about one request, or write one of its bodies", Args: cobra.ExactArgs(1),
		Long: "Tell everything about one request, or write one of its bodies.\n\n" +
			"The id is that of the header request-id, and of the workflow. An auditor who reads the body of somebody else's request is put on record, with the reason.",
		Example: "  llmgw requests show 019ab3c7-f2d4-7d0c-9a4b-e1f0a3c85d21\n  llmgw requests show 019ab3c7-f2d4-7d0c-9a4b-e1f0a3c85d21 --body response --reason 'ticket 4711'",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return fmt.Errorf("%q is not the id of a request. llmgw requests list shows those that you may see", args[0])
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			switch body {
			case "":
				return s.showRequest(cmd.Context(), c, id.String())
			case "request", "response":
				return s.writeBody(cmd.Context(), c, id.String(), body, reason)
			}
			return fmt.Errorf("there is no body %q. Give --body request or --body response", body)
		},
	}
	show.Flags().StringVar(&body, "body", "", "write this body, as it was sent: `request` or response")
	show.Flags().StringVar(&reason, "reason", "", "why you read somebody else's body; kept with the read")
	return show
}

// writeBody writes a body as it was sent. It is asked for once only: each reading may be put on record.
func (s *session) writeBody(ctx context.Context, c *client, id, kind, reason string) error {
	path := "/api/requests/" + id + "/" + kind
	if reason != "" {
		path += "?" + url.Values{"reason": {reason}}.Encode()
	}
	res, err := c.once(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(s.Out, res.Body); err != nil {
		return fmt.Errorf("the body broke off: %w", err)
	}
	return nil
}
