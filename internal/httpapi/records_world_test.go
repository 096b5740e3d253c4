package httpapi

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// recordWorld is a world that shows the record in a real database. Who calls with tok-auditor is an auditor.
type recordWorld struct {
	*batchWorld
	frontend *postgres.DB
}

func newRecordWorld(t *testing.T) *recordWorld {
	t.Helper()
	w := &recordWorld{batchWorld: newBatchWorld(t)}
	w.frontend = w.open(t, postgrestest.Frontend)
	auditor, err := postgres.Open(t.Context(), postgres.Config{URL: w.server.URL(postgrestest.Auditor), Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(auditor.Close)
	w.api.Auth = withAuditor{w.world}
	w.api.Records = &Records{Store: auditor, Seals: auditor, Compressor: w.batches.Compressor}
	w.Config.Handler = w.api.Handler()
	return w
}

type withAuditor struct{ Authenticator }

func (a withAuditor) Authenticate(ctx context.Context, tokens ...string) (gateway.Principal, error) {
	p, err := a.Authenticator.Authenticate(ctx, tokens...)
	if p.Tier == "auditor" {
		p.Tier, p.Roles = "enterprise", []string{gateway.Auditor}
	}
	return p, err
}

// as is the header of a request by the user of a tier, the auditor, or nobody.
func as(who string) []string {
	if who == "" {
		return []string{"Authorization", ""}
	}
	return []string{"Authorization", "Bearer tok-" + who}
}

// request puts a request of the user of a tier on record. A nil response leaves it running.
func (w *recordWorld) request(tier, request string, response *string, changes ...func(*gateway.Intent, *gateway.Outcome)) string {
	w.t.Helper()
	now := time.Now().UTC()
	in := &gateway.Intent{
		ID: uuid.Must(uuid.NewV7()), AdmittedAt: now, Principal: gateway.Principal{Subject: "s-" + tier, User: "u-" + tier, Tier: gateway.Tier(tier)},
		Endpoint: gateway.Messages, Dialect: gateway.Anthropic, Stream: true, ModelRequested: "claude-opus-5-5", Session: "session-" + tier,
		Target: gateway.Target{Backend: "anthropic", Model: "claude-haiku-5-5"}, Window: gateway.DayWindow(now, time.UTC),
		Charge: gateway.Charge{Requests: 1, Tokens: 100}, Reserved: true, Body: w.batches.Compressor.Body([]byte(request)),
	}
	out := &gateway.Outcome{
		ID: in.ID, Status: gateway.Completed, HTTPStatus: http.StatusOK, StopReason: "end_turn", Target: in.Target, Attempts: 1,
		Usage: gateway.Usage{Input: 20, Output: 30}, Cost: 5e9, Charge: gateway.Charge{Requests: 1, Tokens: 50}, FirstByteAt: now, EndedAt: now,
	}
	if response != nil {
		out.Body = w.batches.Compressor.Body([]byte(*response))
	}
	for _, change := range changes {
		change(in, out)
	}
	outcomes := []*gateway.Outcome{out}
	if response == nil {
		outcomes = nil
	}
	err := w.frontend.Stage(w.t.Context(), []*gateway.Intent{in}, nil, outcomes)
	if err == nil && response != nil {
		_, err = w.worker.WriteLedger(w.t.Context(), []uuid.UUID{in.ID})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return in.ID.String()
}

// get asks for a path as somebody.
func (w *recordWorld) get(who, path string) (*http.Response, string) {
	w.t.Helper()
	res := w.do(w.world.request(http.MethodGet, path, "", as(who)...))
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, string(text)
}

// ids are those of a list.
func ids(t *testing.T, object map[string]any) (all []string) {
	t.Helper()
	data, ok := object["data"].([]any)
	if !ok {
		t.Fatalf("%v", object)
	}
	for _, line := range data {
		all = append(all, line.(map[string]any)["id"].(string))
	}
	return all
}
