package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// submitFlags are what a user may choose for a new batch.
type submitFlags struct {
	as, endpoint, model, key, output string
	metadata                         map[string]string
	watch                            bool
}

func (s *session) submitCommand() *cobra.Command {
	var f submitFlags
	cmd := &cobra.Command{
		Use: "submit FILE", Short: "Make a batch of a file; - is standard input", Args: cobra.ExactArgs(1),
		Long: `Make a batch of a file, and print its id; - is standard input.

The file has one request in each line, as the batch APIs of Anthropic or OpenAI have them, or is the JSON of a whole
request of Anthropic's. All of it is checked before anything is sent.`,
		Example: "  llmgw batch submit prompts.jsonl --watch -o results.jsonl\n  zcat prompts.jsonl.gz | llmgw batch submit -",
		RunE:    func(cmd *cobra.Command, args []string) error { return s.submit(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.as, "as", "", "`dialect` to convert the items to: anthropic or openai")
	flags.StringVar(&f.endpoint, "endpoint", "", "refuse the file if it is not for this `path`, such as /v1/chat/completions")
	flags.StringVar(&f.model, "model", "", "`model` that each item asks for, whatever it says")
	flags.StringToStringVar(&f.metadata, "metadata", nil, "`key=value` pairs to keep with the batch; OpenAI's only")
	flags.StringVar(&f.key, "idempotency-key", "", "a `name` of yours: a batch is made once for it, however often it is submitted")
	flags.BoolVar(&f.watch, "watch", false, "stay until the batch has ended")
	flags.StringVarP(&f.output, "output", "o", "", "`file` for the results; watches, too")
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]string{"anthropic", "openai"}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

func (s *session) submit(ctx context.Context, file string, f submitFlags) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	in, done, err := s.openInput(ctx, file)
	if err != nil {
		return err
	}
	defer done()
	b, err := newSubmission(in, f.as, f.endpoint, f.model)
	if err != nil {
		return err
	}
	if b.endpoint == gateway.Messages && len(f.metadata) > 0 {
		return errors.New("--metadata: Anthropic's batches have none. Leave it out, or submit --as openai")
	}
	if err := b.check(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted; nothing was sent")
	}
	id, err := s.create(ctx, c, b, f)
	if err != nil {
		return err
	}
	return s.submitted(ctx, c, id, f)
}

// create uploads the batch. One key for all attempts lets the gateway make it once.
func (s *session) create(ctx context.Context, c *client, b *submission, f submitFlags) (id string, err error) {
	if f.key == "" {
		f.key = uuid.NewString()
	}
	up := &upload{submission: b, key: f.key, metadata: f.metadata, screen: s.screen(), now: s.Now}
	c.say = func(format string, args ...any) {
		up.screen.clear()
		s.say(format, args...)
	}
	if b.endpoint.Dialect() == gateway.Anthropic {
		id, err = up.asRequest(ctx, c)
	} else {
		id, err = up.asFile(ctx, c)
	}
	up.screen.close()
	if err == nil {
		s.say("The gateway has the batch: %s, %s.", items(b.items), bytesOf(b.size))
		return id, nil
	}
	if !unsure(err) {
		return "", err
	}
	return "", fmt.Errorf("%w.\nWhether the batch was made is not known: llmgw batch list shows it. To submit it again, but at most once: --idempotency-key %s", err, f.key)
}

// submitted tells the user what was made and how to go on, or goes on.
func (s *session) submitted(ctx context.Context, c *client, id string, f submitFlags) error {
	following := f.watch || f.output != ""
	switch {
	case s.json && following:
		s.say("It is %s.", id) // the object is written at the end
	case s.json:
		b, err := c.batch(ctx, id)
		if err != nil {
			return fmt.Errorf("the batch %s was made, but: %w", id, err)
		}
		return s.writeJSON(b)
	default:
		fmt.Fprintln(s.Out, id)
	}
	if !following {
		s.say("Follow it:          llmgw batch watch %s\nWhen it has ended:  llmgw batch results %s -o results.jsonl", id, id)
		return nil
	}
	end := s.watch(ctx, c, id)
	if code, ok := errors.AsType[exit](end); f.output == "" || end != nil && (!ok || code == exitInterrupted) {
		return end
	}
	if err := s.saveResults(ctx, c, id, f.output); err != nil {
		return err
	}
	return end
}
