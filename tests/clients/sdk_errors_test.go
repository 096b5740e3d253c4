package clients_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

func TestSDKsAreToldOnceThatATokenIsWrong(t *testing.T) {
	each(t, allSDKs(), "pro", func(t *testing.T, s session) {
		for _, call := range s.calls {
			before := len(s.tap.Calls())
			got := s.do(t, order{Call: call, Token: tampered(s.user.Token), Prompt: "hello", Page: 10})
			s.checkError(t, got, 401, "")
			s.reached(t)
			if calls := len(s.tap.Calls()) - before; calls != 1 {
				t.Errorf("%s: %d requests, want 1", call, calls)
			}
		}
		stack.Ledger(t, s.user.Subject, 0, 0)
	})
}

func TestSDKsAreToldOnceThatThereIsNoSuchModel(t *testing.T) {
	each(t, allSDKs(), over+"anthropic", func(t *testing.T, s session) {
		for _, call := range []string{"create", "model"} {
			before := len(s.tap.Calls())
			s.checkError(t, s.do(t, order{Call: call, Model: "no-such-model", Prompt: "hello"}), 404, "")
			s.reached(t)
			if calls := len(s.tap.Calls()) - before; calls != 1 {
				t.Errorf("%s: %d requests, want 1", call, calls)
			}
		}
		stack.Ledger(t, s.user.Subject, 0, 0)
	})
}

// Clients recover from some errors of the model by their wording, so it has to arrive as it was said.
func TestSDKsSeeWhatTheModelRefuses(t *testing.T) {
	eachOver(t, allSDKs(), func(t *testing.T, s session) {
		const message = "prompt is too long: 210000 tokens > 200000 maximum"
		for _, call := range []string{"create", "stream"} {
			got := s.do(t, order{Call: call, Prompt: "[x-mock: status=400,message=" + message + "]"})
			s.checkError(t, got, 400, message)
		}
		if calls := s.tap.Calls(); len(calls) != 2 {
			t.Errorf("requests: %s, want 2", paths(calls))
		}
		for _, row := range stack.Ledger(t, s.user.Subject, 0, 2) {
			if row.Status != "failed" || row.HTTPStatus != 400 || row.Charge != 0 || row.Backend != s.backend {
				t.Errorf("ledger row %+v, want a failed one that costs nothing", row)
			}
		}
	})
}

func TestSDKsSeeWhatTheGatewayRefuses(t *testing.T) {
	each(t, allSDKs(), "pro", func(t *testing.T, s session) {
		s.checkError(t, s.do(t, order{Call: "create", Model: noModel, Prompt: "hello"}), 400, "")
		sentOnce(t, s.tap, s.path, 400)
		s.reached(t)
		stack.Ledger(t, s.user.Subject, 0, 0)
	})
}

func TestSDKsAreToldOnceThatTheQuotaIsSpent(t *testing.T) {
	each(t, allSDKs(), "free", func(t *testing.T, s session) {
		stack.Spend(t, s.user, 10)
		for _, call := range []string{"create", "stream"} {
			before := len(s.tap.Calls())
			s.checkError(t, s.do(t, order{Call: call, Prompt: "one more"}), 429, "")
			calls := s.tap.Calls()[before:]
			if len(calls) != 1 {
				t.Fatalf("%s: %d requests, want 1", call, len(calls))
			}
			answer := calls[0].Answer
			if seconds, err := strconv.Atoi(answer.Get("Retry-After")); err != nil || seconds < 1 || seconds > 24*60*60 {
				t.Errorf("retry-after %q is not within a day", answer.Get("Retry-After"))
			}
			if limit, left := answer.Get(s.limit), answer.Get(s.left); limit != "10" || left != "0" {
				t.Errorf("limit %q, remaining %q", limit, left)
			}
		}
		stack.Ledger(t, s.user.Subject, 0, 10)
	})
}

// The gateway refuses by the announced length and reads none of it; the client still has to see the answer, not a
// broken connection. That is between the two alone, so there is no tap.
func TestSDKsSeeThatABodyIsTooLarge(t *testing.T) {
	each(t, allSDKs(), "pro", func(t *testing.T, s session) {
		got := s.do(t, order{Call: "create", BaseURL: stack.Gateway, Prompt: "hello", Pad: 33 << 20})
		s.checkError(t, got, 413, "")
		if reached := stack.Reached(t, got.Error.RequestID); len(reached) > 0 {
			t.Errorf("the request reached %q", reached)
		}
		stack.Ledger(t, s.user.Subject, 0, 0)
	})
}

func TestSDKsGetALargeBodyThrough(t *testing.T) {
	t.Cleanup(func() { stack.Forget(t) }) // else every look at the models' requests would show these bodies
	eachOver(t, allSDKs(), func(t *testing.T, s session) {
		got := s.do(t, order{Call: "create", Prompt: "hello", Pad: 31 << 20})
		if got.Error != nil || !strings.HasPrefix(got.Text, "This is claude-haiku-5-5. You said: helloxxx") {
			t.Errorf("text %.80q, error %+v", got.Text, got.Error)
		}
		sentOnce(t, s.tap, s.path, 200)
		stack.Ledger(t, s.user.Subject, 0, 1)
	})
}

func TestSDKsRetryAnOverloadedModel(t *testing.T) {
	retry := func(t *testing.T, s session) {
		t.Helper()
		stack.Fault(t, s.backend, map[string]any{"status": 529, "status_first": 1})
		s.checkAnswer(t, s.do(t, order{Call: "create", Prompt: "good morning"}))
		rows := stack.Ledger(t, s.user.Subject, 0, 2)
		if rows[0].Status != "failed" || rows[0].Charge != 0 || rows[1].Status != "completed" || rows[1].Charge != 1 {
			t.Errorf("ledger rows %+v, want a failed one that costs nothing and a completed one", rows)
		}
	}
	// Each over the other dialect: the SDKs go by the status, which is then the gateway's to choose.
	eachInTurn(t, anthropicSDKs(), over+"openai", retry)
	eachInTurn(t, openAISDKs(), over+"anthropic", retry)
}

// A stream that breaks must be an error in the program, never a short answer.
func TestSDKsFailWhenAStreamBreaks(t *testing.T) {
	for name, fault := range breaks() {
		t.Run(name, func(t *testing.T) {
			eachOver(t, allSDKs(), func(t *testing.T, s session) {
				got := s.do(t, order{Call: "stream", Prompt: directive(fault) + strings.Repeat("a long story ", 20)})
				if got.Error == nil {
					t.Errorf("no error, but the text %q", got.Text)
				}
				if row := stack.Ledger(t, s.user.Subject, 0, 1)[0]; row.Status != "failed" || row.Backend != s.backend {
					t.Errorf("ledger row %+v, want it failed", row)
				}
			})
		})
	}
}

// directive is the part of a prompt that makes the mock model misbehave for this prompt alone.
func directive(switches map[string]any) string {
	var list []string
	for name, value := range switches {
		list = append(list, fmt.Sprintf("%s=%v", name, value))
	}
	return "[x-mock: " + strings.Join(list, ",") + "] "
}

// checkError checks that a program caught the error of a status; its message is only compared if one is given.
func (s session) checkError(t *testing.T, got reply, status int, message string) {
	t.Helper()
	e := got.Error
	if e == nil {
		t.Fatalf("no error, but %+v", got)
	}
	want, known := s.errors[status]
	if !known {
		t.Fatalf("there is no error %d to compare with", status)
	}
	if e.Class != "" && e.Class != want.Class && e.Class != "APIError" { // older ones have no class for every status
		t.Errorf("error class %s, want %s", e.Class, want.Class)
	}
	if e.Status != status || e.Type != want.Type {
		t.Errorf("error %d %s, want %d %s: %s", e.Status, e.Type, status, want.Type, e.Message)
	}
	if message != "" && e.Message != message {
		t.Errorf("message %q, want %q", e.Message, message)
	}
	if e.Message == "" || e.RequestID == "" {
		t.Errorf("message %q, request id %q: one is missing", e.Message, e.RequestID)
	}
	if calls := s.tap.Calls(); len(calls) > 0 && e.RequestID != s.lastID() {
		t.Errorf("request id %q, the gateway said %q", e.RequestID, s.lastID())
	}
}
