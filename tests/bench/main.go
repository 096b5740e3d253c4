// Command bench measures what the gateway costs: on the request path against a bare reverse proxy, and behind it
// against empty workflows. Everything is measured in one run, in turns, on one machine; the ratios are what to
// trust.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

func main() {
	rounds := flag.Int("rounds", 4, "rounds of each load on the request path")
	workflows := flag.Int("workflows", 1500, "workflows to compare")
	backlog := flag.Int("backlog", 5000, "outcomes waiting for the sweep")
	only := flag.String("only", "", "path, translation or workflows; all if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var v verdict
	if err := run(ctx, &v, *only, *rounds, *workflows, *backlog); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	v.print()
}

func run(ctx context.Context, v *verdict, only string, rounds, workflows, backlog int) (err error) {
	fmt.Printf("starting a stack on %d cores …\n", runtime.NumCPU())
	stack, err := stacktest.Start(ctx, "--set", toAnthropic, "--set", toOpenAI)
	if err != nil {
		return err
	}
	defer func() {
		if closing := stack.Close(); err == nil {
			err = closing
		}
	}()
	wanted := func(part string) bool { return only == "" || only == part }
	if wanted("path") || wanted("translation") {
		// The path is measured alone: what settles behind it would take its cores. What piles up is settled later.
		for _, verb := range []string{"stop/worker", "stop/temporal"} {
			if err := stack.Do(ctx, verb); err != nil {
				return err
			}
		}
		if wanted("path") {
			if err := comparePaths(ctx, stack, rounds, v); err != nil {
				return err
			}
		}
		if wanted("translation") {
			if err := compareTranslation(ctx, stack, rounds, v); err != nil {
				return err
			}
		}
		if err := stack.Do(ctx, "start/temporal"); err != nil {
			return err
		}
	}
	if wanted("workflows") {
		return compareWorkflows(ctx, stack, workflows, backlog, v)
	}
	return nil
}

// verdict holds each figure against its limit.
type verdict struct{ lines []string }

// check notes a figure that should not be greater than limit.
func (v *verdict) check(what string, got, limit float64) {
	v.note(what, got, limit, "≤", got <= limit)
}

// checkAtLeast notes a figure that should not be less than limit.
func (v *verdict) checkAtLeast(what string, got, limit float64) {
	v.note(what, got, limit, "≥", got >= limit)
}

func (v *verdict) note(what string, got, limit float64, sign string, met bool) {
	mark := "met   "
	if !met {
		mark = "MISSED"
	}
	v.lines = append(v.lines, fmt.Sprintf("  %s  %-55s %7.2f  (%s %g)", mark, what, got, sign, limit))
}

func (v *verdict) print() {
	fmt.Println("\ntargets")
	for _, line := range v.lines {
		fmt.Println(line)
	}
}
