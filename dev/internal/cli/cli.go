// Package cli is the command line of the stack.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/dev/internal/redis"
	"github.com/openova-io/llm-gateway/dev/internal/stack"
	"github.com/openova-io/llm-gateway/dev/internal/temporal"
)

// New returns the root command. Without a subcommand it does what "up" does.
func New() *cobra.Command {
	up := upCommand()
	root := &cobra.Command{
		Use:           "stack",
		Short:         "Run the gateway and everything it needs on this machine",
		Args:          cobra.NoArgs,
		RunE:          up.RunE,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.Flags().SortFlags = false
	root.Flags().AddFlagSet(up.Flags())
	root.AddCommand(up, temporalCommand(), redisCommand())
	return root
}

func upCommand() *cobra.Command {
	options := stack.DefaultOptions()
	quiet, follow := false, true
	command := &cobra.Command{
		Use:   "up",
		Short: "Start everything and run until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !quiet {
				options.Out = command.OutOrStdout()
			}
			options.AnthropicToken = os.Getenv("ANTHROPIC_OAUTH_TOKEN")
			return up(command.Context(), options, follow, command.ErrOrStderr())
		},
	}
	addFlags(command.Flags(), &options)
	command.Flags().BoolVar(&quiet, "quiet", false, "write no progress and no banner")
	command.Flags().BoolVar(&follow, "follow-parent", true, "stop when the process that started the stack ends")
	return command
}

// up runs a stack until a signal. A second signal kills everything.
func up(ctx context.Context, options stack.Options, follow bool, errOut io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	s, err := stack.New(options)
	if err != nil {
		return err
	}
	go func() {
		<-signals
		cancel()
		<-signals
		fmt.Fprintln(errOut, "stack: killing everything")
		s.KillNow()
		os.Exit(1)
	}()
	if follow {
		go followParent(ctx, cancel)
	}
	err = s.Start(ctx)
	if errors.Is(ctx.Err(), context.Canceled) && err != nil {
		return errors.New("stopped before it was ready")
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	return s.Stop()
}

// followParent calls stop once the process has another parent than at its
// start, which means that the first one is gone. A process started by init
// never had anybody to follow.
func followParent(ctx context.Context, stop func()) {
	parent := os.Getppid()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for parent > 1 && os.Getppid() == parent {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
	if parent > 1 {
		stop()
	}
}

// temporalCommand is the child process that runs Temporal and its Web UI, or the server alone by a configuration file
// of its own.
func temporalCommand() *cobra.Command {
	var file, serverFile string
	command := &cobra.Command{
		Use: "temporal", Short: "Run the Temporal server of a stack", Hidden: true, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(command.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if serverFile != "" {
				return temporal.RunFile(ctx, serverFile)
			}
			settings, err := temporal.ReadSettings(file)
			if err != nil {
				return err
			}
			return temporal.Run(ctx, settings)
		},
	}
	command.Flags().StringVar(&file, "config", "", "settings `file` that the stack wrote")
	command.Flags().StringVar(&serverFile, "server-config", "", "configuration `file` of the server itself, in place of --config")
	command.MarkFlagsMutuallyExclusive("config", "server-config")
	return command
}

// redisCommand is the child process that runs the embedded Redis.
func redisCommand() *cobra.Command {
	var port int
	command := &cobra.Command{
		Use: "redis", Short: "Run the embedded Redis of a stack", Hidden: true, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(command.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return redis.RunEmbedded(ctx, port)
		},
	}
	command.Flags().IntVar(&port, "port", 0, "loopback `port` to listen on")
	return command
}
