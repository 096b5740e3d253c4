// Command mockmodel serves the mock model alone, for benchmarks that want the
// backend to be a process of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/openova-io/llm-gateway/dev/internal/model"
)

func main() {
	port := flag.Int("port", 8281, "loopback `port` to listen on; 0 lets the kernel choose")
	token := flag.String("token", "mock-operator-token", "bearer `credential` that every API request must carry; empty means none")
	records := flag.Int("records", 0, "how many requests to remember; 0 means 10,000, negative none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *port, model.Config{Token: *token, Records: *records}); err != nil {
		fmt.Fprintln(os.Stderr, "mockmodel:", err)
		os.Exit(1)
	}
}

// run serves until the context ends.
func run(ctx context.Context, port int, config model.Config) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("listen: %w; choose another port with --port", err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	server := &http.Server{Handler: model.New(config), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() {
		// At once: streams that stall on purpose would never finish.
		_ = server.Close()
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
