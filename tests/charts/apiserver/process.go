package apiserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// stopTimeout is how long a process may take to end by itself; then it is killed, since its data is thrown away anyway.
const stopTimeout = 10 * time.Second

// process is one server of the two.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *tail
	done chan struct{} // closed once it has ended
}

// start runs a binary; what it logs is kept for the error that tells of its end.
func start(binary string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(binary), cmd: exec.Command(binary, args...), log: &tail{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = sysProcAttr()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	return p, nil
}

// wait asks until the process is ready.
func (p *process) wait(ctx context.Context, ready func(context.Context) error) error {
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended (%v):\n%s", p.name, p.cmd.ProcessState, p.log)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready in time: %w\n%s", p.name, err, p.log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the process and returns the most memory that it held, in bytes.
func (p *process) stop() int64 {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss << 10 // Linux counts in KiB
}

// tail keeps the end of a log.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4 << 10

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - tailSize; over > 0 {
		l.text = append([]byte(nil), l.text[over:]...)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(bytes.TrimSpace(l.text))
}

// freePorts returns distinct loopback addresses that nobody listens on.
func freePorts(n int) ([]string, error) {
	var addresses []string
	var errs []error
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { errs = append(errs, listener.Close()) }() // held until all are chosen
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, errors.Join(errs...)
}
