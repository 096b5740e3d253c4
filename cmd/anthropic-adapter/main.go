// Command anthropic-adapter lets clients of the OpenAI API use a backend that speaks the Anthropic API, and the other
// way round.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/adapter"
	"github.com/openova-io/llm-gateway/internal/version"
)

func main() {
	cfg, flags, wrong := adapter.Settings(os.Getenv)
	root := &cobra.Command{
		Use: "anthropic-adapter", Version: version.String(), Short: "Serve OpenAI and Anthropic clients from one backend", Args: cobra.NoArgs,
		Long:         "Serve OpenAI and Anthropic clients from one backend.\n\nEach flag is an environment variable, too: --default-model is DEFAULT_MODEL.\nThe token of an Anthropic backend is in ANTHROPIC_OAUTH_TOKEN.",
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(wrong, cfg.Check()); err != nil {
				return fmt.Errorf("configuration:\n%w", err)
			}
			log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.LogLevel}))
			return adapter.Run(cmd.Context(), cfg, log)
		},
	}
	root.Flags().AddGoFlagSet(flags)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "anthropic-adapter:", err)
		os.Exit(1)
	}
}
