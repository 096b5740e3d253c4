// Command load proves the promises under fire: it sends a mixed load through the gateway while frontends and workers
// are killed, and then holds what the backends received against the ledger, the quota and the workflows.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/openova-io/llm-gateway/tests/proof"
	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// several is a tier whose sessions go to three backends, of which one always fails and one speaks another dialect.
const several = `frontend:tiers.several={routes: [{match: "*", attempts: 4, targets: [` +
	`{backend: anthropic, weight: 40}, {backend: standby, weight: 40}, {backend: openai, weight: 20}]}]}`

type options struct {
	requests    int
	concurrency int
	kills       int
	patience    time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.requests, "requests", 2000, "requests to send")
	flag.IntVar(&o.concurrency, "concurrency", 32, "clients at once")
	flag.IntVar(&o.kills, "kills", 5, "kill -9 of the frontend, and as many of the worker")
	flag.DurationVar(&o.patience, "patience", time.Minute, "time for everything to be settled afterwards")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	fmt.Println("starting a stack …")
	stack, err := stacktest.Start(ctx, "--set", several)
	if err != nil {
		return err
	}
	defer func() {
		if closing := stack.Close(); err == nil {
			err = closing
		}
	}()

	several, err := stack.NewUser(ctx, "several")
	if err != nil {
		return err
	}
	if err := stack.MountFaults(ctx, "standby", map[string]any{"status": 503}); err != nil {
		return err
	}
	fmt.Printf("%d requests, %d at once, %d × kill -9 of the frontend and of the worker\n", o.requests, o.concurrency, o.kills)
	begin := time.Now()
	done := make(chan error, 1)
	traffic := &traffic{stack: stack, options: o, several: several}
	go func() { done <- assassin(ctx, stack, o, traffic.sent.Load) }()
	traffic.run(ctx)
	if err := <-done; err != nil {
		return err
	}
	fmt.Printf("sent in %s: %s\n", time.Since(begin).Round(time.Second), traffic.summary())

	fmt.Printf("waiting until everything is settled (at most %s) …\n", o.patience)
	begin = time.Now()
	report, err := proof.Wait(ctx, stack, o.patience)
	if err != nil {
		return err
	}
	fmt.Printf("after %s:\n", time.Since(begin).Round(time.Second))
	report.Print(os.Stdout)
	for _, mistake := range report.Mistakes() {
		fmt.Println("  BROKEN:", mistake)
		err = fmt.Errorf("a promise is broken")
	}
	if err == nil && report.Sent == 0 {
		err = fmt.Errorf("nothing reached a backend: nothing was proved")
	}
	return err
}

// assassin kills the frontend and the worker in turn, evenly over the load.
func assassin(ctx context.Context, stack *stacktest.Stack, o options, sent func() int64) error {
	for i := range 2 * o.kills {
		at := int64(o.requests * (i + 1) / (2*o.kills + 1))
		for sent() < at {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * time.Millisecond):
			}
		}
		name := []string{"frontend", "worker"}[i%2]
		if err := stack.Do(ctx, "kill/"+name+"?wait=true"); err != nil {
			return fmt.Errorf("kill %s: %w", name, err)
		}
		if sent() >= int64(o.requests) {
			return fmt.Errorf("the load was over before the last kill: send more requests")
		}
		fmt.Printf("  %5d sent: killed the %s\n", sent(), name)
	}
	return nil
}
