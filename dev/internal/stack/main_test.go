package stack_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/openova-io/llm-gateway/dev/internal/cli"
)

// TestMain lets the test binary be every program a stack runs: its own children,
// the stack itself, and stand-ins for the frontend and the worker.
func TestMain(m *testing.M) {
	err := error(nil)
	switch first := append(os.Args, "", "")[1]; first {
	case "temporal", "redis", "up":
		err = cli.New().ExecuteContext(context.Background())
	case "migrate":
		fmt.Println("migrated")
	case "--config":
		err = fakeGateway(os.Args[2])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fakeGateway listens where a frontend or a worker would.
func fakeGateway(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var config struct {
		HTTP struct {
			Listen  string `yaml:"listen"`
			Metrics string `yaml:"metrics_listen"`
		} `yaml:"http"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return err
	}
	addresses := []string{config.HTTP.Metrics}
	if strings.HasPrefix(filepath.Base(file), "frontend") {
		addresses = append(addresses, config.HTTP.Listen)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.URL.Query().Get("env"); name != "" {
			fmt.Fprint(w, os.Getenv(name))
			return
		}
		fmt.Fprintln(w, r.URL.Path, os.Getenv("ANTHROPIC_AUTH_TOKEN"))
	})
	for _, address := range addresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go func() { _ = http.Serve(listener, handler) }()
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	return nil
}

// get reads a URL.
func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
