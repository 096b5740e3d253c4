package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/version"
)

// ConfigFlag explains --config, which every command has.
const ConfigFlag = "YAML file; LLMGW_… variables override it"

// Main runs a command until it ends, or until SIGINT or SIGTERM end its context, and exits with 1 after an error.
func Main(root *cobra.Command) {
	root.SilenceUsage, root.SilenceErrors, root.Version = true, true, version.String()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", root.Name(), err)
		os.Exit(1)
	}
}

// Load reads a process's configuration and makes its log: JSON lines on standard error.
func Load(file string) (*config.Config, *slog.Logger, error) {
	cfg, err := config.Load(file)
	if err != nil {
		return nil, nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		return nil, nil, fmt.Errorf("log.level: %w", err)
	}
	return cfg, slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})), nil
}

// ConfigCommand is "config check FILE", which tells every mistake in a file, or where the file sends what.
func ConfigCommand(check func(*config.Config) error) *cobra.Command {
	command := &cobra.Command{Use: "config", Short: "Work with configuration files"}
	command.AddCommand(&cobra.Command{
		Use: "check FILE", Short: "Tell every mistake in a configuration file, or where it sends what", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(args[0])
			if err == nil {
				err = check(cfg)
			}
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), args[0], "is fine"); err != nil {
				return err
			}
			return Explain(cmd.OutOrStdout(), cfg)
		},
	})
	return command
}

func openDatabase(ctx context.Context, cfg config.Database) (*postgres.DB, error) {
	return postgres.Open(ctx, postgres.Config{URL: cfg.URL, MaxConns: cfg.MaxConns, ConnectTimeout: cfg.ConnectTimeout})
}
