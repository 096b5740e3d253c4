package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
)

type quota struct {
	Requests struct{ Used int }
	Tokens   struct{ Used int }
}

func TestOneRequestIsOneOfEverything(t *testing.T) {
	w := stack(t)
	marker := "marker-" + uuid.NewString()
	var before, after quota
	w.get(t, "pro", w.Gateway+"/quota", &before)
	sent := message("claude-opus-5-5", marker, true)
	got := w.ask(t.Context(), "pro", "/v1/messages?beta=true", sent, "X-Claude-Code-Session-Id", "session-of-"+marker)
	if got.err != nil || got.status != http.StatusOK || !strings.Contains(got.body, "message_stop") {
		t.Fatalf("%+v", got)
	}
	db := w.db(t, "auditor")
	if status := w.inLedger(t, db, got.id()); status != "completed" {
		t.Errorf("on record as %s", status)
	}

	var subject, user, tier, requested, routed, backend, session string
	var input, output, requests, tokens int
	err := db.QueryRow(t.Context(), `SELECT subject, user_name, tier, model_requested, model_routed, backend, session,
		input_tokens, output_tokens, charge_requests, charge_tokens FROM ledger WHERE id = $1`, got.id()).
		Scan(&subject, &user, &tier, &requested, &routed, &backend, &session, &input, &output, &requests, &tokens)
	if err != nil {
		t.Fatal(err)
	}
	if user != "petra" || tier != "pro" || requested != "claude-opus-5-5" || routed != "claude-haiku-5-5" || backend != "anthropic" || session != "session-of-"+marker {
		t.Errorf("ledger: %s %s %s %s %s %s", user, tier, requested, routed, backend, session)
	}
	if input == 0 || output == 0 || requests != 1 || tokens == 0 {
		t.Errorf("ledger: %d in, %d out, charged %d and %d", input, output, requests, tokens)
	}
	for kind, want := range map[string]string{"request": sent, "response": got.body} {
		if body := storedBody(t, w, got.id(), kind); body != want {
			t.Errorf("the %s on record is %q", kind, body)
		}
	}

	w.get(t, "pro", w.Gateway+"/quota", &after)
	eventually(t, 30*time.Second, "the quota settled", func() bool {
		w.get(t, "pro", w.Gateway+"/quota", &after)
		return after.Tokens.Used-before.Tokens.Used == tokens
	})
	if after.Requests.Used-before.Requests.Used != 1 {
		t.Errorf("%d requests were charged", after.Requests.Used-before.Requests.Used)
	}

	temporal := w.temporal(t)
	eventually(t, 30*time.Second, "the workflow is closed", func() bool {
		run, err := temporal.DescribeWorkflowExecution(t.Context(), got.id(), "")
		return err == nil && run.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	})
	history := workflowHistory(t, w, got.id())
	for _, secret := range []string{marker + `"`, "You said", "mock-operator-token", w.Tokens["pro"][len(w.Tokens["pro"])-40:]} {
		if strings.Contains(strings.ReplaceAll(history, "session-of-"+marker, ""), secret) {
			t.Errorf("the workflow's history contains %q", secret)
		}
	}
}

func storedBody(t *testing.T, w *world, id, kind string) string {
	t.Helper()
	var stored []byte
	if err := w.db(t, "owner").QueryRow(t.Context(), `SELECT zstd FROM bodies WHERE request_id = $1 AND kind = $2`, id, kind).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	decoder, err := zstd.NewReader(bytes.NewReader(stored))
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	text, err := io.ReadAll(decoder)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// workflowHistory is a workflow's history and description as text, with its payloads readable.
func workflowHistory(t *testing.T, w *world, id string) string {
	t.Helper()
	temporal := w.temporal(t)
	var all strings.Builder
	events := temporal.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(event.String())
	}
	run, err := temporal.DescribeWorkflowExecution(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	all.WriteString(run.String())
	return all.String()
}

func TestOperatorsFindARequestByUserAndByStatus(t *testing.T) {
	w := stack(t)
	got := w.ask(t.Context(), "enterprise", "/v1/messages", message("claude-opus-5-5", "hi", true), "X-Mock", "error=3")
	if !strings.Contains(got.body, "event: error") {
		t.Fatalf("%+v", got)
	}
	temporal := w.temporal(t)
	for _, query := range []string{
		`User = "erin" AND RequestStatus = "failed"`, `Tier = "enterprise" AND Model = "claude-opus-5-5"`,
		`Backend = "anthropic" AND RoutedModel = "claude-opus-5-5"`,
	} {
		eventually(t, 30*time.Second, query, func() bool {
			found, err := temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 100})
			if err != nil {
				t.Fatal(err)
			}
			for _, run := range found.GetExecutions() {
				if run.GetExecution().GetWorkflowId() == got.id() {
					return true
				}
			}
			return false
		})
	}
}

func TestALongRequestIsVisibleWhileItRuns(t *testing.T) {
	w := stack(t)
	ended := make(chan answer, 1)
	go func() {
		ended <- w.ask(context.Background(), "enterprise", "/v1/messages", message("claude-opus-5-5", "long", true), "X-Mock", "tokens=50,gap=100ms")
	}()
	temporal := w.temporal(t)
	running := ""
	eventually(t, 20*time.Second, "a running workflow with the status streaming", func() bool {
		found, err := temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: `ExecutionStatus = "Running" AND WorkflowType = "Request" AND RequestStatus = "streaming"`,
		})
		if err == nil && len(found.GetExecutions()) == 1 {
			running = found.GetExecutions()[0].GetExecution().GetWorkflowId()
		}
		return running != ""
	})
	got := <-ended
	if got.id() != running || !strings.Contains(got.body, "message_stop") {
		t.Errorf("the running one is %s, the request was %s: %q", running, got.id(), got.body)
	}
	eventually(t, 30*time.Second, "the workflow is closed", func() bool {
		run, err := temporal.DescribeWorkflowExecution(t.Context(), running, "")
		return err == nil && run.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	})
	if status := w.inLedger(t, w.db(t, "auditor"), running); status != "completed" {
		t.Errorf("on record as %s", status)
	}
	eventually(t, 30*time.Second, "it is found as completed", func() bool {
		found, err := temporal.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Query: `RequestStatus = "completed" AND WorkflowId = "` + running + `"`,
		})
		return err == nil && found.GetCount() == 1
	})
}

func TestCountingTokensIsFreeAndOnRecord(t *testing.T) {
	w := stack(t)
	var before, after quota
	w.get(t, "pro", w.Gateway+"/quota", &before)
	got := w.ask(t.Context(), "pro", "/v1/messages/count_tokens?beta=true", message("claude-haiku-5-5", "how many", false))
	var counted struct {
		InputTokens int `json:"input_tokens"`
	}
	if err := json.Unmarshal([]byte(got.body), &counted); err != nil || counted.InputTokens == 0 {
		t.Fatalf("%+v %v", got, err)
	}
	w.inLedger(t, w.db(t, "auditor"), got.id())
	w.get(t, "pro", w.Gateway+"/quota", &after)
	if before != after {
		t.Errorf("quota %+v became %+v", before, after)
	}
}

func TestTheFrontendsRoleCannotReadWhatItWrites(t *testing.T) {
	w := stack(t)
	db := w.db(t, "frontend")
	for _, table := range []string{"intents", "outcomes", "bodies", "ledger", "leases"} {
		for _, sql := range []string{"SELECT 1 FROM " + table, "DELETE FROM " + table, "UPDATE " + table + " SET error = ''", "TRUNCATE " + table} {
			if _, err := db.Exec(t.Context(), sql); err == nil {
				t.Errorf("the frontend's role may %s", sql)
			}
		}
	}
}

func TestSecretsAreInNoLog(t *testing.T) {
	w := stack(t)
	w.ask(t.Context(), "pro", "/v1/messages", message("claude-opus-5-5", "a very private prompt", true))
	w.ask(t.Context(), "pro", "/v1/messages", message("claude-opus-5-5", "a very private prompt", true), "Authorization", "Bearer a-wrong-token-of-somebody")
	logs := w.logs(t)
	for _, secret := range []string{w.Tokens["pro"], "mock-operator-token", "a very private prompt", "a-wrong-token-of-somebody"} {
		if strings.Contains(logs, secret) {
			t.Errorf("a log contains %q", secret)
		}
	}
}

func TestMetricsCarryTheirPublishedNames(t *testing.T) {
	w := stack(t)
	w.ask(t.Context(), "pro", "/v1/messages", message("claude-opus-5-5", "hi", true))
	for process, names := range map[string][]string{
		"frontend": {`gateway_requests_total{tier="pro"}`, `gateway_model_routes_total{from="opus",to="haiku"}`, "gateway_request_duration_seconds_bucket", "gateway_time_to_first_byte_seconds_count", "gateway_audit_queue", "gateway_spool_bytes"},
		"worker":   {"gateway_outbox_pending", "gateway_outbox_oldest_seconds", "gateway_workflow_starts_total"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.Metrics[process], nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := new(http.Client).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		for _, name := range names {
			if !strings.Contains(string(text), name) {
				t.Errorf("%s has no %s", process, name)
			}
		}
	}
}
