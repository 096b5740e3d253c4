// Command batchload proves the promises of batches under fire: it runs one large batch while workers and Temporal are
// killed and people go on working, and then holds results, ledger, attempts and quota against each other.
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

type options struct {
	items    int
	kills    int
	rate     float64
	think    time.Duration
	baseline time.Duration
	patience time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.items, "items", 100_000, "items of the batch")
	flag.IntVar(&o.kills, "kills", 3, "kill -9 of the worker; Temporal is killed once, after half of them")
	flag.Float64Var(&o.rate, "rate", 10, "interactive requests a second, before and during the batch")
	flag.DurationVar(&o.think, "think", 200*time.Millisecond, "how long the model takes until an answer begins")
	flag.DurationVar(&o.baseline, "baseline", time.Minute, "how long the interactive load is measured alone")
	flag.DurationVar(&o.patience, "patience", 30*time.Minute, "for the batch to end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "batchload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	fmt.Println("starting a stack …")
	stack, err := stacktest.Start(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closing := stack.Close(); err == nil {
			err = closing
		}
	}()
	if err := stack.Faults(ctx, map[string]any{"delay": o.think.String(), "tokens": 64}); err != nil {
		return err
	}

	people := newPeople(stack, o.rate)
	fmt.Printf("%.0f interactive streams a second alone, for %s; the model thinks %s\n", o.rate, o.baseline, o.think)
	before := people.work(ctx, o.baseline)
	fmt.Println("  before:", before)

	b, err := submit(ctx, stack, o.items)
	if err != nil {
		return err
	}
	fmt.Printf("submitted %s with %d items in %s\n", b.id, o.items, b.uploaded.Round(10*time.Millisecond))
	watching, ended := context.WithCancel(ctx)
	defer ended()
	memory := watchMemory(watching, stack)
	measured := make(chan latencies, 1)
	go func() { measured <- people.work(watching, o.patience) }()
	took, err := b.run(ctx, o)
	ended()
	during := <-measured
	if err != nil {
		return err
	}
	fmt.Printf("ended after %s: %.0f items a second\n", took.Round(time.Second), float64(o.items)/took.Seconds())
	fmt.Println("  during:", during)
	return verdict(ctx, o, stack, b, before, during, <-memory)
}

// verdict holds what happened against what was promised.
func verdict(ctx context.Context, o options, stack *stacktest.Stack, b *batch, before, during latencies, memory map[string]int) error {
	findings, err := b.inspect(ctx)
	if err != nil {
		return err
	}
	findings.print(os.Stdout)
	for name, most := range memory {
		fmt.Printf("  most resident memory, %-10s %6d MB\n", name, most)
	}
	report, err := proof.Wait(ctx, stack, 2*time.Minute)
	if err != nil {
		return err
	}
	report.Print(os.Stdout)
	mistakes := append(report.Mistakes(), findings.mistakes(memory, o.kills)...)
	for _, q := range []struct {
		name      string
		was, then time.Duration
	}{{"p50", before.quantile(.5), during.quantile(.5)}, {"p99", before.quantile(.99), during.quantile(.99)}} {
		ratio := float64(q.then) / float64(q.was)
		fmt.Printf("  interactive %s, during ÷ before %.2f\n", q.name, ratio)
		if ratio > 1.5 {
			mistakes = append(mistakes, fmt.Sprintf("the %s of interactive requests is %.2f times what it was", q.name, ratio))
		}
	}
	for _, mistake := range mistakes {
		fmt.Println("  BROKEN:", mistake)
		err = fmt.Errorf("a promise is broken")
	}
	return err
}
