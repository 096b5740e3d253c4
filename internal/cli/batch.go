package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

func (s *session) batchCommand() *cobra.Command {
	batch := &cobra.Command{
		Use: "batch", Short: "Run many requests as one durable batch",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }, // a mistyped subcommand is an error
	}
	var limit int
	list := &cobra.Command{
		Use: "list", Short: "List your batches, the newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			return s.list(cmd.Context(), c, limit)
		},
	}
	list.Flags().IntVar(&limit, "limit", 20, "batches at most; 0 is all")
	var output string
	results := s.withID("results", "Write the results, one JSON object in each line", func(ctx context.Context, c *client, id string) error {
		return s.saveResults(ctx, c, id, output)
	})
	results.Flags().StringVarP(&output, "output", "o", "-", "`file` to write; it appears when it is whole. - is standard output")
	batch.AddCommand(
		s.submitCommand(), list, results,
		s.withID("show", "Tell how far a batch has come", s.show),
		s.withID("watch", "Follow a batch to its end", s.watch),
		s.withID("cancel", "Stop a batch: what runs is finished, the rest is not sent", s.cancel),
		s.withID("delete", "Delete a batch that has ended, with its results", s.remove),
	)
	return batch
}

// withID is a command that is about one batch.
func (s *session) withID(name, short string, run func(ctx context.Context, c *client, id string) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " ID", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeID,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, _, ok := gateway.ParseBatchID(args[0]); !ok {
				return fmt.Errorf("%q is not the id of a batch, which begins with msgbatch_ or batch_. llmgw batch list shows yours", args[0])
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			return run(cmd.Context(), c, args[0])
		},
	}
}

// completeID offers the newest batches to the shell.
func (s *session) completeID(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, err := s.client()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c.say = func(string, ...any) {} // the shell shows nothing but what it is offered
	found, err := c.batches(cmd.Context(), 20)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ids := make([]cobra.Completion, len(found.Data))
	for i := range found.Data {
		ids[i] = cobra.CompletionWithDesc(found.Data[i].ID, s.state(&found.Data[i]))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func (s *session) list(ctx context.Context, c *client, limit int) error {
	found, err := c.batches(ctx, limit)
	if err != nil {
		return err
	}
	if s.json {
		return s.writeJSON(found)
	}
	if len(found.Data) == 0 {
		s.say("You have no batches. llmgw batch submit FILE makes one.")
		return nil
	}
	w := s.table()
	fmt.Fprintln(w, "ID\tCREATED\tDONE\tFAILED\tSTATE")
	for i := range found.Data {
		b := &found.Data[i]
		fmt.Fprintf(w, "%s\t%s\t%s/%s\t%s\t%s\n", b.ID, s.moment(b.CreatedAt), grouped(ended(b.Counts)), grouped(b.Counts.Total), grouped(b.Counts.Errored), s.state(b))
	}
	if found.HasMore {
		s.say("There are more: --limit 0 shows all.")
	}
	return w.Flush()
}

func (s *session) cancel(ctx context.Context, c *client, id string) error {
	var b api.Batch
	if err := c.object(ctx, call{method: http.MethodPost, path: "/batches/" + url.PathEscape(id) + "/cancel"}, &b); err != nil {
		return err
	}
	if s.json {
		return s.writeJSON(b)
	}
	s.say("%s is being canceled: requests that run are finished, the others are not sent.", id)
	return nil
}

// remove deletes a batch of Anthropic's; OpenAI's API knows no such thing.
func (s *session) remove(ctx context.Context, c *client, id string) error {
	if _, dialect, _ := gateway.ParseBatchID(id); dialect == gateway.OpenAI {
		return errors.New("OpenAI's batches cannot be deleted. Their files can: DELETE /v1/files/{id}, with the ids that GET /v1/batches/" + id + " tells")
	}
	var gone struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}
	err := c.object(ctx, call{
		method: http.MethodDelete, path: "/v1/messages/batches/" + url.PathEscape(id), header: http.Header{"Anthropic-Version": {apiVersion}},
	}, &gone)
	if err != nil {
		return err
	}
	if s.json {
		return s.writeJSON(gone)
	}
	s.say("%s is deleted.", id)
	return nil
}
