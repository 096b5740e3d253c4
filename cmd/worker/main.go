// Command worker settles requests that have ended, and migrates the database.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/app"
	"github.com/openova-io/llm-gateway/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var file string
	with := func(run func(context.Context, *config.Config, *slog.Logger) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(file)
			if err != nil {
				return err
			}
			log, err := app.NewLog(cfg.Log)
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, log)
		}
	}
	root := &cobra.Command{
		Use: "worker", Short: "Settle requests that have ended", SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs, RunE: with(app.RunWorker),
	}
	root.PersistentFlags().StringVar(&file, "config", "", "YAML file; LLMGW_… variables override it")
	root.AddCommand(&cobra.Command{
		Use: "migrate", Short: "Bring the database's schema up to date", Args: cobra.NoArgs, RunE: with(app.Migrate),
	})
	return root
}
