package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// watchMemory looks twice a second at how much memory the gateway's processes have resident, in MB, and tells the most of
// each when ctx ends.
func watchMemory(ctx context.Context, stack *stacktest.Stack) <-chan map[string]int {
	told := make(chan map[string]int, 1)
	go func() {
		most := map[string]int{}
		for ctx.Err() == nil {
			if stack.Refresh() == nil {
				for _, name := range []string{"frontend", "worker"} {
					most[name] = max(most[name], resident(stack.PIDs[name]))
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
		told <- most
	}()
	return told
}

// resident is a process's resident memory in MB; 0 if it is not there.
func resident(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb >> 10
		}
	}
	return 0
}
