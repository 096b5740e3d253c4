// Command llmgw is what users work with the gateway with, beside the clients they have.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/openova-io/llm-gateway/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	code := cli.Run(ctx, cli.System{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Now: time.Now, Sleep: sleep, Columns: columns,
		ConfigDir: os.UserConfigDir, HomeDir: os.UserHomeDir, Keyring: cli.OSKeyring{},
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// columns is the width of the terminal that standard error is; 0 if it is none, or one that cannot move its cursor.
func columns() int {
	fd := int(os.Stderr.Fd())
	if os.Getenv("TERM") == "dumb" || !term.IsTerminal(fd) {
		return 0
	}
	width, _, err := term.GetSize(fd)
	if err != nil || width < 1 {
		return 80
	}
	return width
}
