package supervise

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Postgres is why these functions look at trees and not at process groups: its
// backends leave their parent's group. Where there is no /proc only the process
// itself is reached.

// freezeTree stops a process and everything it forked, and returns their pids.
// Parents come first, so that they cannot fork meanwhile.
func freezeTree(pid int) ([]int, error) {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	pids := []int{pid}
	for _, child := range children(pid) {
		below, err := freezeTree(child)
		if err != nil {
			continue // it ended since it was listed
		}
		pids = append(pids, below...)
	}
	return pids, nil
}

// thawTree lets a frozen tree go on, children first: a parent that wakes up
// first would find them unresponsive.
func thawTree(pid int) error {
	for _, child := range children(pid) {
		_ = thawTree(child)
	}
	return syscall.Kill(pid, syscall.SIGCONT)
}

// killTree kills a process and everything it forked. It freezes them first: a
// parent that is gone cannot be asked for its children any more.
func killTree(pid int) error {
	pids, err := freezeTree(pid)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return err
}

// children lists the direct children of a process.
func children(pid int) []int {
	var found []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it ended since the listing
		}
		// "pid (name) state ppid …"; the name may hold spaces and brackets.
		end := bytes.LastIndexByte(stat, ')')
		fields := bytes.Fields(stat[end+1:])
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			found = append(found, child)
		}
	}
	return found
}
