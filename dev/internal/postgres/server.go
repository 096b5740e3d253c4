package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
	"github.com/openova-io/llm-gateway/dev/internal/supervise"
)

// Server is the PostgreSQL of one stack.
type Server struct {
	// Version is what runs, for example "15.18".
	Version string
	// Root is the directory of the cluster; Moved tells that it is outside the
	// state directory because the server's user could not enter that.
	Root  string
	Moved bool
	// New tells that the cluster was initialised just now.
	New bool

	binaries binaries
	account  *account
	port     int
	dataDir  string
}

// Prepare finds the binaries and initialises the cluster of a state directory
// unless there is one. The server listens on port once it is started.
func Prepare(ctx context.Context, stateDir string, port int) (*Server, error) {
	if err := prune(); err != nil {
		return nil, fmt.Errorf("delete abandoned databases: %w", err)
	}
	s := &Server{account: currentAccount(), port: port}
	s.Root, s.Moved = place(stateDir, s.account)
	s.dataDir = filepath.Join(s.Root, "data")
	if err := create(s.Root, stateDir, s.Moved, s.account); err != nil {
		return nil, err
	}
	var err error
	if s.binaries, err = findBinaries(ctx, s.dataDir, filepath.Join(s.Root, "dist")); err != nil {
		return nil, err
	}
	s.Version = s.binaries.version
	if clusterMajor(s.dataDir) == 0 {
		s.New = true
		if err := s.initialise(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// initialise makes a new cluster. It is made under another name and renamed, so
// that one interrupted halfway is never taken for a complete one.
func (s *Server) initialise(ctx context.Context) error {
	passwordFile := filepath.Join(s.Root, "password")
	if err := os.WriteFile(passwordFile, []byte(password(Superuser)+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the password file: %w", err)
	}
	defer os.Remove(passwordFile)
	if err := s.account.own(passwordFile); err != nil {
		return err
	}
	unfinished := s.dataDir + ".new"
	if err := errors.Join(os.RemoveAll(unfinished), os.RemoveAll(s.dataDir)); err != nil {
		return fmt.Errorf("clear an unfinished database: %w", err)
	}
	// --no-sync only concerns these first files, which a crash would make
	// nobody miss; the running server syncs.
	cmd := exec.CommandContext(ctx, filepath.Join(s.binaries.dir, "initdb"),
		"-D", unfinished, "--username="+Superuser, "--pwfile="+passwordFile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir = s.Root // the account may not enter ours
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account.credential()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.Rename(unfinished, s.dataDir)
}

// Spec describes the server process. Durability settings are the defaults on
// purpose: what the gateway costs is measured on a database that keeps its word.
func (s *Server) Spec(logFile string) supervise.Spec {
	settings := []string{
		"listen_addresses=" + ports.Host,
		"port=" + strconv.Itoa(s.port),
		"unix_socket_directories=", // no path that is too long or not writable
		"max_connections=300",
		"shared_buffers=256MB",
		"fsync=on",
		"logging_collector=off",
		"log_destination=stderr",
		"log_line_prefix=%m [%p] %u@%d ",
	}
	args := []string{"-D", s.dataDir}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return supervise.Spec{
		Name:       "postgres",
		Path:       filepath.Join(s.binaries.dir, "postgres"),
		Args:       args,
		Dir:        s.Root,
		LogFile:    logFile,
		Credential: s.account.credential(),
		Before:     func(context.Context) error { return sweep(s.dataDir) },
		Ready:      s.ready,
		StopSignal: os.Interrupt, // "fast": ends sessions, writes a checkpoint
	}
}
