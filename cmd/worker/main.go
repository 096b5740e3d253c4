// Command worker settles requests that have ended, runs batches, and migrates the database.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/app"
	"github.com/openova-io/llm-gateway/internal/config"
)

func main() {
	var file string
	with := func(run func(context.Context, *config.Config, *slog.Logger) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, _ []string) error {
			cfg, log, err := app.Load(file)
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, log)
		}
	}
	root := &cobra.Command{
		Use: "worker", Short: "Settle requests that have ended, and run batches", Args: cobra.NoArgs,
		RunE: with(func(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
			return app.RunWorker(ctx, cfg, app.Sources{File: file, OperatorToken: os.Getenv("ANTHROPIC_OAUTH_TOKEN")}, log)
		}),
	}
	root.PersistentFlags().StringVar(&file, "config", "", app.ConfigFlag)
	root.AddCommand(&cobra.Command{
		Use: "migrate", Short: "Bring the database's schema up to date", Args: cobra.NoArgs, RunE: with(app.Migrate),
	})
	root.AddCommand(app.AuditCommand(&file), app.ConfigCommand((*config.Config).CheckWorker))
	app.Main(root)
}
