package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// manyRequests fills the ledger with n requests, a second apart, of 500 users in 5,000 sessions. One in a thousand failed,
// one in a thousand is an item of the batch, and one in ten thousand went to a model that is seldom asked for. It answers when the
// first of them came.
func manyRequests(t *testing.T, s *stack, n int, batch uuid.UUID) time.Time {
	t.Helper()
	from := time.Now().UTC().Truncate(time.Second).Add(-time.Duration(n) * time.Second)
	s.Exec(t, fmt.Sprintf(`
		INSERT INTO ledger (id, admitted_at, first_byte_at, ended_at, subject, user_name, tier, endpoint,
			dialect, stream, session, model_requested, model_routed, backend, status, http_status,
			error, stop_reason, upstream_id, input_tokens, output_tokens, cache_read_tokens,
			cache_write_tokens, usage_estimated, charge_requests, charge_tokens, reserved,
			window_start, window_reset, request_digest, response_digest, batch_id, batch_n, digest)
		SELECT (substr(uuid_floor(at)::text, 1, 14) || '7000-8000-' || lpad(to_hex(g), 12, '0'))::uuid, at, at, at,
			'subject-' || g * 7919 %% 500, 'user-' || g * 7919 %% 500, 'pro', 'messages', 'anthropic', true, 'session-' || g * 7919 %% 5000,
			'm', CASE WHEN g %% 10000 = 9 THEN 'seldom' ELSE 'often' END, 'b', CASE WHEN g %% 1000 = 7 THEN 'failed' ELSE 'completed' END, 200,
			'', '', '', 1, 1, 0, 0, false, 1, 2, true, at, at, '', NULL,
			CASE WHEN g %% 1000 = 5 THEN '%s'::uuid END, CASE WHEN g %% 1000 = 5 THEN g END, ''
		FROM generate_series(1, %d) g, LATERAL (SELECT '%s'::timestamptz + g * interval '1 second' AS at) t`,
		batch, n, from.Format(time.RFC3339)))
	s.Exec(t, `ANALYZE ledger`)
	return from
}

// The pages that a list of a filter's requests is put together of are few, however many requests there are and however
// seldom the filter finds one.
func TestAPageOfEachFilterIsAShortWalkAlongAnIndex(t *testing.T) {
	const n = 50_000
	s := start(t)
	batch := uuid.Must(uuid.NewV7())
	from := manyRequests(t, s, n, batch)
	s.stageEnded(t, 10)
	auditor := open(t, s.URL(postgrestest.Auditor))
	middle := from.Add(n / 2 * time.Second)
	for name, f := range map[string]gateway.RecordFilter{
		"none":                 {},
		"user":                 {User: "user-17"},
		"subject":              {Subject: "subject-17"},
		"session":              {Session: "session-17"},
		"model, often":         {Model: "often"},
		"model, seldom":        {Model: "seldom"},
		"model, never":         {Model: "never"},
		"batch":                {Batch: batch},
		"time":                 {From: middle, To: middle.Add(time.Hour)},
		"to":                   {To: middle},
		"completed":            {Status: "completed"},
		"failed":               {Status: "failed"},
		"interrupted":          {Status: "interrupted"},
		"running":              {Status: "running"},
		"user and status":      {User: "user-17", Status: "completed"},
		"subject and time":     {Subject: "subject-17", From: middle},
		"session and subject":  {Session: "session-17", Subject: "subject-17"},
		"user, model and time": {User: "user-17", Model: "often", To: middle},
	} {
		plan, err := auditor.ExplainRequests(t.Context(), f, gateway.Page{Limit: 20})
		if err != nil {
			t.Fatal(err)
		}
		top := gjson.Get(plan, "0.Plan")
		blocks := top.Get("Shared Hit Blocks").Int() + top.Get("Shared Read Blocks").Int()
		if t.Logf("%s: %d blocks", name, blocks); blocks > 200 {
			t.Errorf("%s: %d blocks were read for a page\n%s", name, blocks, plan)
		}
	}
}

// A prepared statement gets a plan for any values in the end, by which what is seldom is looked for in the whole ledger.
func TestASearchIsPlannedForItsValues(t *testing.T) {
	s := start(t)
	auditor, err := postgres.Open(t.Context(), postgres.Config{URL: s.URL(postgrestest.Auditor), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(auditor.Close)
	for range 2 {
		if _, _, err := auditor.Requests(t.Context(), gateway.RecordFilter{Model: "m"}, gateway.Page{Limit: 20}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := auditor.Prepared(t.Context(), "FROM requests r"); err != nil || n != 0 {
		t.Errorf("%d searches are prepared, %v", n, err)
	}
}
