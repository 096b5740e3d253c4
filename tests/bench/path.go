package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// scenario is a kind of load.
type scenario struct {
	name        string
	path        string // "" is /v1/messages
	body        string
	mock        string // switches for the mock model
	concurrency int
	requests    int // in a round
	limit       float64
}

// target is a way to the model.
type target struct {
	name  string
	url   string
	token string
	pid   int // whose CPU counts; 0 for the way without anything in between
}

// measured is what one target needed in one scenario.
type measured struct {
	latencies []time.Duration
	cpu       time.Duration
}

func (m *measured) quantile(q float64) time.Duration {
	slices.Sort(m.latencies)
	return m.latencies[min(len(m.latencies)-1, int(q*float64(len(m.latencies))))]
}

func (m *measured) cpuMicros() float64 {
	return float64(m.cpu.Microseconds()) / float64(len(m.latencies))
}

func scenarios() []scenario {
	small := `{"model":"claude-opus-5-5","max_tokens":100,"messages":[{"role":"user","content":"Say hello."}],"stream":false}`
	return []scenario{
		{"small, 1 at a time", "", small, "", 1, 400, 0},
		{"small, 16 at once", "", small, "", 16, 3000, 2},
		{"64-token stream, 8 at once", "", strings.Replace(small, "false", "true", 1), "tokens=64", 8, 600, 1.4},
		{"200 KB prompt, 4 at once", "", strings.Replace(small, "Say hello.", sourceCode(200<<10), 1), "", 4, 500, 2},
	}
}

// sourceCode is text as prompts hold it, JSON-escaped: the sources of this project.
func sourceCode(size int) string {
	root, err := stacktest.Root()
	if err != nil {
		panic(err) // the sources were there when this was compiled
	}
	files, _ := filepath.Glob(filepath.Join(root, "internal", "*", "*.go"))
	var text strings.Builder
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil {
			text.Write(b)
		}
		if text.Len() > size {
			break
		}
	}
	quoted, err := json.Marshal(strings.ToValidUTF8(text.String()[:size*9/10], "")) // escapes make it longer
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(quoted[1 : len(quoted)-1])
}

// comparePaths sends the same load along each way, in turns, and prints what each costs beside the direct one.
func comparePaths(ctx context.Context, stack *stacktest.Stack, rounds int, verdict *verdict) error {
	targets, stop, err := ways(ctx, stack)
	defer stop()
	if err != nil {
		return err
	}
	insert, err := newInsertProbe(ctx, stack)
	if err != nil {
		return err
	}
	defer insert.close()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	for _, sc := range scenarios() {
		results := make([]measured, len(targets))
		for round := range rounds + 1 { // the first warms up
			for i := range targets {
				at := (i + round) % len(targets)
				var m measured
				if err := m.run(ctx, client, targets[at], sc); err != nil {
					return fmt.Errorf("%s, %s: %w", sc.name, targets[at].name, err)
				}
				if round > 0 {
					results[at].latencies = append(results[at].latencies, m.latencies...)
					results[at].cpu += m.cpu
				}
			}
			if err := insert.run(ctx, 50); err != nil {
				return err
			}
		}
		report(sc, targets, results, insert, verdict)
	}
	return nil
}

// run sends one round.
func (m *measured) run(ctx context.Context, client *http.Client, to target, sc scenario) error {
	var failed atomic.Pointer[error]
	var next atomic.Int64
	var mu sync.Mutex
	var all sync.WaitGroup
	before := cpuOf(to.pid)
	for range sc.concurrency {
		all.Go(func() {
			var own []time.Duration
			for next.Add(1) <= int64(sc.requests) && failed.Load() == nil {
				begin := time.Now()
				if err := one(ctx, client, to, sc); err != nil {
					failed.Store(&err)
				}
				own = append(own, time.Since(begin))
			}
			mu.Lock()
			defer mu.Unlock()
			m.latencies = append(m.latencies, own...)
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	// In async mode the records are still being written: they belong to these requests.
	time.Sleep(50 * time.Millisecond)
	m.cpu = cpuOf(to.pid) - before
	return nil
}

func one(ctx context.Context, client *http.Client, to target, sc scenario) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url+cmp.Or(sc.path, "/v1/messages"), strings.NewReader(sc.body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+to.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	if sc.mock != "" {
		req.Header.Set("X-Mock", sc.mock)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, text)
	}
	return nil
}

// report prints a scenario's table.
func report(sc scenario, targets []target, results []measured, insert *insertProbe, verdict *verdict) {
	fmt.Printf("\n%s (%d requests each)\n", sc.name, len(results[0].latencies))
	fmt.Printf("  %-22s %10s %10s %10s %10s %12s %9s\n", "", "p50", "p99", "added p50", "added p99", "CPU µs/req", "× anchor")
	direct, anchor := &results[0], &results[1]
	for i, to := range targets {
		m := &results[i]
		line := fmt.Sprintf("  %-22s %10s %10s", to.name, short(m.quantile(.5)), short(m.quantile(.99)))
		if i > 0 {
			line += fmt.Sprintf(" %10s %10s %12.0f %9.2f", short(m.quantile(.5)-direct.quantile(.5)), short(m.quantile(.99)-direct.quantile(.99)), m.cpuMicros(), m.cpuMicros()/anchor.cpuMicros())
		}
		fmt.Println(line)
	}
	async, strict := &results[2], &results[3]
	if sc.limit > 0 {
		verdict.check(fmt.Sprintf("%s: async CPU ÷ anchor", sc.name), async.cpuMicros()/anchor.cpuMicros(), sc.limit)
	}
	if sc.concurrency == 1 {
		lone := insert.p50()
		fmt.Printf("  a lone batched Postgres insert: p50 %s\n", short(lone))
		verdict.check("async, added p50 at 1 at a time, ms", float64((async.quantile(.5)-direct.quantile(.5)).Microseconds())/1000, 1)
		verdict.check("strict − async at 1 at a time, in batched inserts", float64(strict.quantile(.5)-async.quantile(.5))/float64(lone), 2.5)
	}
}

func short(d time.Duration) string {
	if d > 10*time.Millisecond || d < -10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
