package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc.
const tick = 10 * time.Millisecond

// cpuOf is the CPU time that processes have used so far, those of their children that have ended included.
func cpuOf(pids ...int) time.Duration {
	var sum time.Duration
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended, and its parent has its time
		}
		// The name in parentheses may hold spaces: count from behind it. utime, stime, cutime, cstime are fields 14 to 17.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, field := range fields[11:15] {
			ticks, _ := strconv.ParseInt(field, 10, 64)
			sum += time.Duration(ticks) * tick
		}
	}
	return sum
}

// family is a process and its children, as Postgres is one.
func family(pid int) []int {
	all := []int{pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
			all = append(all, child)
		}
	}
	return all
}

// start runs a program until stop is called.
func start(path string, env []string, args ...string) (pid int, stop func(), err error) {
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = &quietUnlessFatal{}
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	return cmd.Process.Pid, func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() }, nil
}

// quietUnlessFatal passes on only what a program says when it cannot start.
type quietUnlessFatal struct{}

func (quietUnlessFatal) Write(p []byte) (int, error) {
	if !strings.HasPrefix(string(p), "{") {
		_, _ = os.Stderr.Write(p)
	}
	return len(p), nil
}

// freeAddress is a loopback address nobody listens on.
func freeAddress() (string, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// waitFor waits until a URL answers, whatever it answers.
func waitFor(ctx context.Context, url string, status int) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := new(http.Client).Do(req)
		if err == nil {
			_ = res.Body.Close()
			if status == 0 || res.StatusCode == status {
				return nil
			}
			err = fmt.Errorf("%s: %s", url, res.Status)
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// silent is a log for parts that are not to be heard.
func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }
