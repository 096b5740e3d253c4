// Command frontend is the gateway's endpoint for clients.
package main

import (
	"context"
	"fmt"
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
		fmt.Fprintln(os.Stderr, "frontend:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var file string
	root := &cobra.Command{
		Use: "frontend", Short: "Serve LLM clients", SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(file)
			if err != nil {
				return err
			}
			log, err := app.NewLog(cfg.Log)
			if err != nil {
				return err
			}
			return app.RunFrontend(cmd.Context(), cfg, os.Getenv("ANTHROPIC_OAUTH_TOKEN"), log)
		},
	}
	root.PersistentFlags().StringVar(&file, "config", "", "YAML file; LLMGW_… variables override it")
	check := &cobra.Command{Use: "config", Short: "Work with configuration files"}
	check.AddCommand(&cobra.Command{
		Use: "check FILE", Short: "Tell every mistake in a frontend's configuration file", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(args[0])
			if err == nil {
				err = cfg.CheckFrontend()
			}
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), args[0], "is fine")
			}
			return err
		},
	})
	root.AddCommand(check)
	return root
}
