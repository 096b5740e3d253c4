// Command stack runs the gateway and everything it needs on one machine:
// Postgres, Temporal with its Web UI, Redis, an OIDC issuer, a mock model.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/openova-io/llm-gateway/dev/internal/cli"
)

func main() {
	if err := cli.New().ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}
