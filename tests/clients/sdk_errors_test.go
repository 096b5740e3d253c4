package clients_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

func TestSDKsAreToldOnceThatATokenIsWrong(t *testing.T) {
	each(t, "pro", func(t *testing.T, s session) {
		counts := stack.Watch(t)
		for _, call := range []string{"create", "stream", "count_tokens", "models"} {
			before := len(s.tap.Calls())
			got := s.do(t, order{Call: call, Token: tampered(s.user.Token), Prompt: "hello", Page: 10})
			s.checkError(t, got, apiError{Class: "AuthenticationError", Status: 401, Type: "authentication_error"})
			if calls := len(s.tap.Calls()) - before; calls != 1 {
				t.Errorf("%s: %d requests, want 1", call, calls)
			}
		}
		asked(t, counts, witness.Counts{})
		stack.Ledger(t, s.user.Subject, 0, 0)
	})
}

// Clients recover from some errors of the model by their wording, so it has to arrive as it was said.
func TestSDKsSeeWhatTheModelRefuses(t *testing.T) {
	each(t, "pro", func(t *testing.T, s session) {
		const message = "prompt is too long: 210000 tokens > 200000 maximum"
		for _, call := range []string{"create", "stream"} {
			got := s.do(t, order{Call: call, Prompt: "[x-mock: status=400,message=" + message + "]"})
			s.checkError(t, got, apiError{Class: "BadRequestError", Status: 400, Type: "invalid_request_error", Message: message})
		}
		if calls := s.tap.Calls(); len(calls) != 2 {
			t.Errorf("requests: %s, want 2", paths(calls))
		}
		for _, row := range stack.Ledger(t, s.user.Subject, 0, 2) {
			if row.Status != "failed" || row.HTTPStatus != 400 || row.Charge != 0 {
				t.Errorf("ledger row %+v, want a failed one that costs nothing", row)
			}
		}
	})
}

func TestSDKsSeeWhatTheGatewayRefuses(t *testing.T) {
	each(t, "pro", func(t *testing.T, s session) {
		counts := stack.Watch(t)
		got := s.do(t, order{Call: "create", Model: noModel, Prompt: "hello"})
		s.checkError(t, got, apiError{Class: "BadRequestError", Status: 400, Type: "invalid_request_error"})
		sentOnce(t, s.tap, "/v1/messages", 400)
		asked(t, counts, witness.Counts{})
		stack.Ledger(t, s.user.Subject, 0, 0)
	})
}

func TestSDKsAreToldOnceThatTheQuotaIsSpent(t *testing.T) {
	each(t, "free", func(t *testing.T, s session) {
		stack.Spend(t, s.user, 10)
		for _, call := range []string{"create", "stream"} {
			before := len(s.tap.Calls())
			got := s.do(t, order{Call: call, Prompt: "one more"})
			s.checkError(t, got, apiError{Class: "RateLimitError", Status: 429, Type: "rate_limit_error"})
			calls := s.tap.Calls()[before:]
			if len(calls) != 1 {
				t.Fatalf("%s: %d requests, want 1", call, len(calls))
			}
			answer := calls[0].Answer
			if seconds, err := strconv.Atoi(answer.Get("Retry-After")); err != nil || seconds < 1 || seconds > 24*60*60 {
				t.Errorf("retry-after %q is not within a day", answer.Get("Retry-After"))
			}
			if limit, left := answer.Get("Anthropic-Ratelimit-Requests-Limit"), answer.Get("Anthropic-Ratelimit-Requests-Remaining"); limit != "10" || left != "0" {
				t.Errorf("limit %q, remaining %q", limit, left)
			}
		}
		stack.Ledger(t, s.user.Subject, 0, 10)
	})
}

// The gateway refuses by the announced length and reads none of it; the client still has to see the answer, not a
// broken connection. That is between the two alone, so there is no tap.
func TestSDKsSeeThatABodyIsTooLarge(t *testing.T) {
	each(t, "pro", func(t *testing.T, s session) {
		counts := stack.Watch(t)
		got := s.do(t, order{Call: "create", BaseURL: stack.Gateway, Prompt: "hello", Pad: 33 << 20})
		s.checkError(t, got, apiError{Class: "ContentTooLargeError", Status: 413, Type: "request_too_large"})
		asked(t, counts, witness.Counts{})
		stack.Ledger(t, s.user.Subject, 0, 0)
	})
}

func TestSDKsGetALargeBodyThrough(t *testing.T) {
	each(t, "pro", func(t *testing.T, s session) {
		got := s.do(t, order{Call: "create", Prompt: "hello", Pad: 31 << 20})
		if got.Error != nil || !strings.HasPrefix(got.Text, "This is claude-haiku-5-5. You said: helloxxx") {
			t.Errorf("text %.80q, error %+v", got.Text, got.Error)
		}
		sentOnce(t, s.tap, "/v1/messages", 200)
		stack.Ledger(t, s.user.Subject, 0, 1)
	})
}

func TestSDKsRetryAnOverloadedModel(t *testing.T) {
	each(t, "pro", func(t *testing.T, s session) {
		stack.Fault(t, map[string]any{"status": 529, "status_first": 1})
		got := s.do(t, order{Call: "create", Prompt: "hello"})
		if got.Error != nil || got.Text != "This is claude-haiku-5-5. You said: hello" {
			t.Errorf("text %q, error %+v", got.Text, got.Error)
		}
		rows := stack.Ledger(t, s.user.Subject, 0, 2)
		if rows[0].Status != "failed" || rows[0].Charge != 0 || rows[1].Status != "completed" || rows[1].Charge != 1 {
			t.Errorf("ledger rows %+v, want a failed one that costs nothing and a completed one", rows)
		}
	})
}

// A stream that breaks must be an error in the program, never a short answer.
func TestSDKsFailWhenAStreamBreaks(t *testing.T) {
	for name, fault := range breaks() {
		t.Run(name, func(t *testing.T) {
			each(t, "pro", func(t *testing.T, s session) {
				stack.Fault(t, fault)
				got := s.do(t, order{Call: "stream", Prompt: strings.Repeat("a long story ", 20)})
				if got.Error == nil {
					t.Errorf("no error, but the text %q", got.Text)
				}
				if row := stack.Ledger(t, s.user.Subject, 0, 1)[0]; row.Status != "failed" {
					t.Errorf("ledger row %+v, want it failed", row)
				}
			})
		})
	}
}

// checkError checks an error; a message is only compared if one is given.
func (s session) checkError(t *testing.T, got reply, want apiError) {
	t.Helper()
	e := got.Error
	if e == nil {
		t.Fatalf("no error, but %+v", got)
	}
	if e.Class != "" && e.Class != want.Class && e.Class != "APIError" { // older ones have no class for every status
		t.Errorf("error class %s, want %s", e.Class, want.Class)
	}
	if e.Status != want.Status || e.Type != want.Type {
		t.Errorf("error %d %s, want %d %s: %s", e.Status, e.Type, want.Status, want.Type, e.Message)
	}
	if want.Message != "" && e.Message != want.Message {
		t.Errorf("message %q, want %q", e.Message, want.Message)
	}
	if e.Message == "" || e.RequestID == "" {
		t.Errorf("message %q, request id %q: one is missing", e.Message, e.RequestID)
	}
}
