// Command frontend is the gateway's endpoint for clients.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/app"
	"github.com/openova-io/llm-gateway/internal/config"
)

func main() {
	var file string
	root := &cobra.Command{
		Use: "frontend", Short: "Serve LLM clients", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, log, err := app.Load(file)
			if err != nil {
				return err
			}
			return app.RunFrontend(cmd.Context(), cfg, app.Sources{File: file, OperatorToken: os.Getenv("ANTHROPIC_OAUTH_TOKEN")}, log)
		},
	}
	root.PersistentFlags().StringVar(&file, "config", "", app.ConfigFlag)
	root.AddCommand(app.ConfigCommand((*config.Config).CheckFrontend))
	app.Main(root)
}
