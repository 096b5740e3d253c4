package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// batch is the one that is run.
type batch struct {
	stack    *stacktest.Stack
	id       string
	items    int
	uploaded time.Duration
}

func customID(n int) string { return fmt.Sprintf("item-%06d", n) }

// submit makes a batch, sending its items as they are made.
func submit(ctx context.Context, stack *stacktest.Stack, items int) (*batch, error) {
	b := &batch{stack: stack, items: items}
	r, w := io.Pipe()
	go func() {
		to := bufio.NewWriter(w)
		_, _ = to.WriteString(`{"requests":[`)
		for n := range items {
			if n > 0 {
				_ = to.WriteByte(',')
			}
			_, _ = fmt.Fprintf(to, `{"custom_id":%q,"params":{"model":"claude-haiku-5-5","max_tokens":100,"messages":[{"role":"user","content":"Summarise item %d: the quick brown fox jumps over the lazy dog, again and again."}]}}`, customID(n), n)
		}
		_, _ = to.WriteString(`]}`)
		_ = w.CloseWithError(to.Flush())
	}()
	begin := time.Now()
	var made struct {
		ID string `json:"id"`
	}
	err := b.call(ctx, http.MethodPost, "/v1/messages/batches", r, func(body io.Reader) error { return json.NewDecoder(body).Decode(&made) })
	b.id, b.uploaded = made.ID, time.Since(begin)
	return b, err
}

// view is what the gateway tells of a batch.
type view struct {
	State   string `json:"state"`
	End     string `json:"end"`
	Waiting *struct {
		Message string `json:"message"`
	} `json:"waiting"`
	Counts struct {
		Total     int `json:"total"`
		Running   int `json:"running"`
		Succeeded int `json:"succeeded"`
		Errored   int `json:"errored"`
	} `json:"counts"`
}

// run kills at even distances, and waits until the batch has ended.
func (b *batch) run(ctx context.Context, o options) (time.Duration, error) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	kills := append(make([]string, 0, o.kills+1), repeat("worker", (o.kills+1)/2)...)
	kills = append(append(kills, "temporal"), repeat("worker", o.kills/2)...)
	killed, told := 0, time.Now()
	for {
		var v view
		err := b.call(ctx, http.MethodGet, "/batches/"+b.id, nil, func(body io.Reader) error { return json.NewDecoder(body).Decode(&v) })
		if err != nil {
			return 0, err
		}
		done := v.Counts.Succeeded + v.Counts.Errored
		if v.State == "ended" {
			fmt.Printf("  %6d succeeded, %d errored: %s\n", v.Counts.Succeeded, v.Counts.Errored, v.End)
			return time.Since(begin), nil
		}
		if killed < len(kills) && done >= b.items*(killed+1)/(len(kills)+1) {
			fmt.Printf("  %6d ended, %d running: kill -9 of %s\n", done, v.Counts.Running, kills[killed])
			if err := b.stack.Do(ctx, "kill/"+kills[killed]+"?wait=true"); err != nil {
				return 0, err
			}
			killed++
		}
		if time.Since(told) > 15*time.Second {
			fmt.Printf("  %6d ended, %d running, after %s\n", done, v.Counts.Running, time.Since(begin).Round(time.Second))
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("the batch did not end: %+v: %w", v, ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

func repeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// call makes a request of the batch's owner and hands the body of a good answer to read.
func (b *batch) call(ctx context.Context, method, path string, body io.Reader, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, b.stack.Gateway+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+b.stack.Tokens["enterprise"])
	req.Header.Set("Anthropic-Version", "2023-06-01")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, text)
	}
	return read(res.Body)
}
