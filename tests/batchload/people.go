package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// people are interactive clients that come at a steady rate, however long they wait.
type people struct {
	stack  *stacktest.Stack
	rate   float64
	client *http.Client
}

func newPeople(stack *stacktest.Stack, rate float64) *people {
	return &people{stack, rate, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
}

// latencies are how long the first byte and the whole of each answer took.
type latencies struct {
	whole  []time.Duration // sorted
	first  []time.Duration
	failed int
	why    string
}

// quantile is that of the time to an answer's first byte.
func (l latencies) quantile(q float64) time.Duration { return at(l.first, q) }

func at(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func (l latencies) String() string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	text := fmt.Sprintf("%d streams, first byte p50 %.1f ms, p99 %.1f ms; whole p50 %.1f ms, p99 %.1f ms",
		len(l.whole), ms(at(l.first, .5)), ms(at(l.first, .99)), ms(at(l.whole, .5)), ms(at(l.whole, .99)))
	if l.failed > 0 {
		text += fmt.Sprintf("; %d failed: %s", l.failed, l.why)
	}
	return text
}

// work sends requests until the time is over or ctx ends, and waits for those that are under way.
func (p *people) work(ctx context.Context, d time.Duration) latencies {
	var (
		mu  sync.Mutex
		l   latencies
		all sync.WaitGroup
	)
	tick := time.NewTicker(time.Duration(float64(time.Second) / p.rate))
	defer tick.Stop()
	end := time.After(d)
	for working := true; working; {
		select {
		case <-ctx.Done():
			working = false
		case <-end:
			working = false
		case <-tick.C:
			all.Go(func() {
				first, whole, err := p.one(context.WithoutCancel(ctx))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					l.failed, l.why = l.failed+1, err.Error()
					return
				}
				l.first, l.whole = append(l.first, first), append(l.whole, whole)
			})
		}
	}
	all.Wait()
	slices.Sort(l.first)
	slices.Sort(l.whole)
	return l
}

func (p *people) one(ctx context.Context) (first, whole time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	body := `{"model":"claude-opus-5-5","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("some words of a prompt ", 80) + `"}]}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.stack.Gateway+"/v1/messages", strings.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+p.stack.Tokens["enterprise"])
	req.Header.Set("Anthropic-Version", "2023-06-01")
	begin := time.Now()
	res, err := p.client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	var one [1]byte
	if _, err := io.ReadFull(res.Body, one[:]); err != nil {
		return 0, 0, err
	}
	first = time.Since(begin)
	rest, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || !strings.Contains(string(rest), "message_stop")) {
		err = fmt.Errorf("status %d: %.200s", res.StatusCode, rest)
	}
	return first, time.Since(begin), err
}
