// Package redis runs the Redis of the stack: a redis-server found on the machine,
// or else an embedded one.
package redis

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
	"github.com/openova-io/llm-gateway/dev/internal/supervise"
)

// expiryInterval is how late a key of the embedded Redis may expire.
const expiryInterval = 100 * time.Millisecond

// RunEmbedded serves an empty Redis on the port until the context ends. It keeps
// everything in memory: the gateway rebuilds its counters from the database.
func RunEmbedded(ctx context.Context, port int) error {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(ports.Addr(port)); err != nil {
		return fmt.Errorf("start the embedded redis: %w", err)
	}
	defer server.Close()
	// Keys only expire when the server is told that time has passed. Its own
	// option to follow the clock visits every key with a TTL on every command.
	ticker := time.NewTicker(expiryInterval)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			server.FastForward(now.Sub(last))
			last = now
		}
	}
}

// Find answers the redis-server of the machine: the one in PATH, or the one that
// make fetches to tools, beside the stack's own binary. It is empty if there is none.
func Find(self string) string {
	for _, name := range []string{"redis-server", filepath.Join(filepath.Dir(self), "tools", "redis-server")} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// ServerSpec describes a redis-server process that keeps nothing on disk.
func ServerSpec(path string, port int) supervise.Spec {
	return supervise.Spec{
		Path: path,
		Args: []string{"--bind", ports.Host, "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no"},
	}
}

// Ready reports whether a Redis answers.
func Ready(ctx context.Context, port int) error {
	return call(ctx, port, "PING", "+PONG")
}

// Flush deletes everything.
func Flush(ctx context.Context, port int) error {
	return call(ctx, port, "FLUSHALL", "+OK")
}

// call sends one inline command and checks the reply.
func call(ctx context.Context, port int, command, want string) error {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", ports.Addr(port))
	if err != nil {
		return fmt.Errorf("connect to redis: %w", err)
	}
	defer connection.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = connection.SetDeadline(deadline)
	}
	// An array of one bulk string; embedded servers do not all take inline commands.
	if _, err := fmt.Fprintf(connection, "*1\r\n$%d\r\n%s\r\n", len(command), command); err != nil {
		return fmt.Errorf("send %s to redis: %w", command, err)
	}
	reply := make([]byte, 64)
	n, err := connection.Read(reply)
	if err != nil {
		return fmt.Errorf("read redis' answer to %s: %w", command, err)
	}
	if got := strings.TrimSpace(string(reply[:n])); got != want {
		return fmt.Errorf("redis answered %s with %q", command, got)
	}
	return nil
}
