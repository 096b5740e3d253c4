package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// ways are the paths to the model: direct, the anchor, the gateway in async and in strict mode.
func ways(ctx context.Context, stack *stacktest.Stack) (targets []target, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range slices.Backward(stops) {
			s()
		}
	}
	token, err := os.ReadFile(filepath.Join(stack.Dir, "anthropic-token"))
	if err != nil {
		return nil, stop, err
	}
	modelToken := strings.TrimSpace(string(token))

	anchorAt, err := freeAddress()
	if err != nil {
		return nil, stop, err
	}
	binary, err := buildAnchor(ctx, stack.Dir)
	if err != nil {
		return nil, stop, err
	}
	anchorPID, stopAnchor, err := start(binary, nil, "-listen", anchorAt, "-target", stack.Model, "-token", modelToken)
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, stopAnchor)

	asyncAt, err := freeAddress()
	if err != nil {
		return nil, stop, err
	}
	root, err := stacktest.Root()
	if err != nil {
		return nil, stop, err
	}
	asyncPID, stopAsync, err := start(filepath.Join(root, "bin", "frontend"), []string{
		"LLMGW_HTTP__LISTEN=" + asyncAt, "LLMGW_HTTP__METRICS_LISTEN=", "LLMGW_AUDIT__MODE=async", "LLMGW_HTTP__DRAIN_DELAY=0s",
		"LLMGW_AUDIT__SPOOL_DIR=" + filepath.Join(stack.Dir, "spool-async"),
	}, "--config", filepath.Join(stack.Dir, "frontend.yaml"))
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, stopAsync)
	if err := errors.Join(waitFor(ctx, "http://"+anchorAt+"/", 0), waitFor(ctx, "http://"+asyncAt+"/ready", 200)); err != nil {
		return nil, stop, err
	}
	user := stack.Tokens["enterprise"]
	return []target{
		{"direct", stack.Model, modelToken, 0},
		{"anchor: ReverseProxy", "http://" + anchorAt, user, anchorPID},
		{"gateway, async", "http://" + asyncAt, user, asyncPID},
		{"gateway, strict", stack.Gateway, user, stack.PIDs["frontend"]},
	}, stop, nil
}

func buildAnchor(ctx context.Context, dir string) (string, error) {
	root, err := stacktest.Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "anchor")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./tests/bench/anchor")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the anchor: %w\n%s", err, out)
	}
	return binary, nil
}

// insertProbe measures what one record costs: the insert that the gateway makes, alone, on a connection of its own.
type insertProbe struct {
	db *postgres.DB
	m  measured
}

func newInsertProbe(ctx context.Context, stack *stacktest.Stack) (*insertProbe, error) {
	db, err := postgres.Open(ctx, postgres.Config{URL: stack.PostgresURLs["frontend"], MaxConns: 1})
	return &insertProbe{db: db}, err
}

func (p *insertProbe) run(ctx context.Context, n int) error {
	for range n {
		in := sampleIntent()
		begin := time.Now()
		if err := p.db.Stage(ctx, []*gateway.Intent{in}, nil, nil); err != nil {
			return err
		}
		p.m.latencies = append(p.m.latencies, time.Since(begin))
		if err := p.db.Stage(ctx, nil, nil, []*gateway.Outcome{sampleOutcome(in)}); err != nil {
			return err
		}
	}
	return nil
}

func (p *insertProbe) p50() time.Duration { return p.m.quantile(.5) }

func (p *insertProbe) close() { p.db.Close() }

// sampleIntent is a request of 2 KiB as it would be on record.
func sampleIntent() *gateway.Intent {
	now := time.Now()
	return &gateway.Intent{
		ID: uuid.Must(uuid.NewV7()), Instance: uuid.New(), AdmittedAt: now, Endpoint: gateway.Messages, Dialect: gateway.Anthropic, Stream: true,
		Principal:      gateway.Principal{Subject: "bench", User: "bench", Tier: "enterprise"},
		ModelRequested: "claude-opus-5-5", Target: gateway.Target{Backend: "anthropic", Model: "claude-opus-5-5"}, Session: "bench",
		Window: gateway.DayWindow(now, time.UTC), Charge: gateway.Charge{Requests: 1, Tokens: 700},
		Body: gateway.Body{Zstd: make([]byte, 700), Size: 2048},
	}
}

func sampleOutcome(in *gateway.Intent) *gateway.Outcome {
	return &gateway.Outcome{
		ID: in.ID, Target: in.Target, Attempts: 1, Status: gateway.Completed, HTTPStatus: 200, StopReason: "end_turn", UpstreamID: "req_bench",
		Usage: gateway.Usage{Input: 500, Output: 60}, Charge: gateway.Charge{Requests: 1, Tokens: 560},
		FirstByteAt: in.AdmittedAt, EndedAt: time.Now(), Body: gateway.Body{Zstd: make([]byte, 700), Size: 2048},
	}
}
