package redistest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// patience is how long a server may take to answer, and a cluster to agree; a loaded machine takes its time.
const patience = 30 * time.Second

// Path is where redis-server is; "" if this machine has none.
func Path() string {
	names := []string{"redis-server"}
	if _, file, _, ok := runtime.Caller(0); ok {
		root := filepath.Join(filepath.Dir(file), "..", "..", "..")
		names = append(names, filepath.Join(root, "bin", "tools", "redis-server"))
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Server is a redis-server. A test may stop it, and start it again, empty, at the same address.
type Server struct {
	Addr string

	tb   testing.TB
	dir  string
	args []string
	hold io.Closer // closed, or collected, it ends the server
	cmd  *exec.Cmd
}

// Start starts a server.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb)
}

// URL is where the server is, in the form the gateway is told.
func (s *Server) URL() string { return "redis://" + s.Addr + "/0" }

// Client connects to the server. It is closed with the test.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}})
	s.tb.Cleanup(func() { _ = c.Close() })
	return c
}

// Stop kills the server, and with it all that it knew.
func (s *Server) Stop() {
	if s.hold != nil {
		_ = s.hold.Close()
		_ = s.cmd.Wait()
		s.hold = nil
	}
}

// Restart starts the server after a Stop.
func (s *Server) Restart() {
	s.tb.Helper()
	if err := s.run(); err != nil {
		s.tb.Fatal(err)
	}
}

func start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	if Path() == "" {
		tb.Fatal("this test needs redis-server: run `make bin/tools/redis-server`, or install Redis 7 or Valkey")
	}
	port, err := freePort(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{
		tb: tb, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), dir: tb.TempDir(),
		args: append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"}, args...),
	}
	tb.Cleanup(s.Stop)
	s.Restart()
	return s
}

// run starts the process and waits until it answers. The server is the child of a shell that waits for the end of its
// standard input, so it goes away with this process however that ends.
func (s *Server) run() error {
	const supervise = `log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & pid=$!; read -r _; kill -KILL $pid; wait $pid`
	log := filepath.Join(s.dir, "log")
	s.cmd = exec.Command("sh", append([]string{"-c", supervise, "sh", log, Path(), "--dir", s.dir}, s.args...)...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's signals are not for it
	var err error
	if s.hold, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	client := s.Client()
	err = await(s.tb.Context(), "redis-server answers", func(ctx context.Context) error { return client.Ping(ctx).Err() })
	if err != nil {
		text, _ := os.ReadFile(log)
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}

// await waits until something is so.
func await(ctx context.Context, what string, is func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := is(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %s: %w", patience, what, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// freePort is below the range that source ports of connections are taken from: a port of those might be gone when a
// server is started again.
func freePort(ctx context.Context) (int, error) {
	const first, last, attempts = 20000, 32767, 200
	for range attempts {
		port := first + rand.IntN(last-first+1)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port was found")
}
