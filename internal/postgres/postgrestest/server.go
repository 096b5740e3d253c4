// Package postgrestest gives tests a real PostgreSQL server with the schema of the gateway.
//
// The server is one for the test process and each [Start] a database of its own in it. It runs from the binaries of
// an installed PostgreSQL; LLMGW_TEST_POSTGRES_URL, the URL of a superuser, makes the tests use a running server.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// serve starts a server and answers the URL of its superuser. The server is the child of a shell that waits for the
// end of its standard input, so it goes away when hold is closed, and with this process however that ends.
func serve(ctx context.Context) (url string, hold io.Closer, err error) {
	bin, err := binaries()
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "postgrestest-")
	if err != nil {
		return "", nil, err
	}
	who, err := unprivileged(dir)
	if err != nil {
		return "", nil, err
	}
	data, log := filepath.Join(dir, "data"), filepath.Join(dir, "log")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, who
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}

	port, err := freePort(ctx)
	if err != nil {
		return "", nil, err
	}
	const supervise = `log=$1 dir=$2; shift 2; "$@" >"$log" 2>&1 </dev/null & pid=$!
		read -r _; kill -QUIT $pid; wait $pid; rm -rf "$dir"`
	args := []string{
		"-c", supervise, "sh", log, dir, filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200",
		"-c", "fsync=" + fsync(),
	}
	shell := exec.Command("sh", args...)
	shell.Dir, shell.SysProcAttr = dir, who
	if hold, err = shell.StdinPipe(); err != nil {
		return "", nil, err
	}
	if err := shell.Start(); err != nil {
		return "", nil, err
	}
	url = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
	if err := waitFor(ctx, url); err != nil {
		out, _ := os.ReadFile(log)
		_ = hold.Close()
		return "", nil, fmt.Errorf("%w\n%s", err, out)
	}
	return url, hold, nil
}

// fsync is off, for speed, unless a benchmark wants to know what a commit costs.
func fsync() string {
	if os.Getenv("LLMGW_TEST_POSTGRES_FSYNC") != "" {
		return "on"
	}
	return "off"
}

// binaries finds the directory of initdb and postgres, the newest version first.
func binaries() (string, error) {
	var dirs []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.Reverse(installed)
	dirs = append(append(dirs, installed...), filepath.SplitList(os.Getenv("PATH"))...)
	for _, dir := range dirs {
		if isFile(filepath.Join(dir, "initdb")) && isFile(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", errors.New("these tests need PostgreSQL: install its server (Debian: apt-get install postgresql; " +
		"macOS: brew install postgresql), or set LLMGW_TEST_POSTGRES_URL to the URL of a superuser of one that runs")
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// unprivileged answers how to start what refuses to run as root, and gives that user the directory.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	// A signal that the terminal sends to the test is not for the server, which ends after it.
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("postgres does not run as root, and there is no other user: %w", err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // it is TCP
}

func waitFor(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server did not start: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
