// Command frontend is the gateway's endpoint for clients.
package main

import (
	"fmt"
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
	check := &cobra.Command{Use: "config", Short: "Work with configuration files"}
	check.AddCommand(&cobra.Command{
		Use: "check FILE", Short: "Tell every mistake in a frontend's configuration file, or where it sends what", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(args[0])
			if err == nil {
				err = cfg.CheckFrontend()
			}
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), args[0], "is fine")
			}
			if err == nil {
				err = app.Explain(cmd.OutOrStdout(), cfg)
			}
			return err
		},
	})
	root.AddCommand(check)
	app.Main(root)
}
