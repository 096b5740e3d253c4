package clients_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

// sdk is one generation of an SDK. Errors of the API are part of the reply; anything else fails the test.
type sdk interface {
	call(t *testing.T, ctx context.Context, o order) reply
}

// noModel asks for a request that names no model.
const noModel = "-"

// order is a call to make.
type order struct {
	Call    string `json:"call"` // create, stream, count_tokens or models
	BaseURL string `json:"base_url"`
	Token   string `json:"token"` // where the SDK's user puts an API key
	Model   string `json:"model"`
	Prompt  string `json:"prompt"`
	Pad     int    `json:"pad"`  // bytes to add to the prompt
	Page    int    `json:"page"` // models on a page of the list
}

// text is the whole prompt.
func (o order) text() string { return o.Prompt + strings.Repeat("x", o.Pad) }

// reply is what a program would make of the answer.
type reply struct {
	Text         string    `json:"text"`
	Model        string    `json:"model"`
	StopReason   string    `json:"stop_reason"`
	InputTokens  int64     `json:"input_tokens"`
	OutputTokens int64     `json:"output_tokens"`
	RequestID    string    `json:"request_id"`
	Events       []string  `json:"events"` // without pings
	Models       []string  `json:"models"`
	Error        *apiError `json:"error"`
}

// apiError is an error as a program catches it.
type apiError struct {
	Class     string `json:"class"` // empty where a language has only one
	Status    int    `json:"status"`
	Type      string `json:"type"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
}

// generations are the SDKs in use, and the header that each sends the token in.
func generations() []struct {
	name, header string
	sdk
} {
	return []struct {
		name, header string
		sdk
	}{
		{"npm 0.137.0", "X-Api-Key", npm{"anthropic-sdk-0"}},
		{"npm 1.12.0", "Authorization", npm{"@anthropic-ai/sdk"}},
		{"Go v1.84.0", "X-Api-Key", goV1{}},
		{"Go v2.13.0", "Authorization", goV2{}},
	}
}

// each runs a case with every SDK, as a user of its own.
func each(t *testing.T, tier string, run func(t *testing.T, s session)) {
	t.Helper()
	for _, g := range generations() {
		t.Run(g.name, func(t *testing.T) {
			counted(t)
			run(t, session{sdk: g.sdk, header: g.header, user: stack.User(t, tier), tap: stack.Tap(t)})
		})
	}
}

// session is one program of one user.
type session struct {
	sdk    sdk
	header string
	user   witness.User
	tap    *witness.Tap
}

// do makes a call of the user through the tap.
func (s session) do(t *testing.T, o order) reply {
	t.Helper()
	if o.BaseURL == "" {
		o.BaseURL = s.tap.URL
	}
	if o.Token == "" {
		o.Token = s.user.Token
	}
	switch o.Model {
	case "":
		o.Model = "claude-haiku-5-5"
	case noModel:
		o.Model = ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), claudeTimeout)
	defer cancel()
	return s.sdk.call(t, ctx, o)
}

func TestSDKsGetAMessage(t *testing.T) {
	each(t, "pro", func(t *testing.T, s session) {
		counts := stack.Watch(t)
		got := s.do(t, order{Call: "create", Prompt: "good morning"})
		s.checkMessage(t, got)
		sentOnce(t, s.tap, "/v1/messages", 200)
		asked(t, counts, witness.Counts{Messages: 1})
		if sent := s.tap.Calls()[0].Header; !strings.Contains(sent.Get(s.header), s.user.Token) {
			t.Errorf("the token was not sent as %s", s.header)
		}
		s.checkRow(t, got, witness.Entry{Endpoint: "messages", Charge: 1})
	})
}

func TestSDKsStreamAMessage(t *testing.T) {
	each(t, "pro", func(t *testing.T, s session) {
		got := s.do(t, order{Call: "stream", Prompt: "good morning"})
		s.checkMessage(t, got)
		deltas := len(got.Events) - 5
		want := slices.Concat(
			[]string{"message_start", "content_block_start"}, slices.Repeat([]string{"content_block_delta"}, max(deltas, 1)),
			[]string{"content_block_stop", "message_delta", "message_stop"})
		if !slices.Equal(got.Events, want) {
			t.Errorf("events %v, want %v", got.Events, want)
		}
		sentOnce(t, s.tap, "/v1/messages", 200)
		s.checkRow(t, got, witness.Entry{Endpoint: "messages", Charge: 1, Stream: true})
	})
}

func TestSDKsCountTokensForNothing(t *testing.T) {
	each(t, "pro", func(t *testing.T, s session) {
		got := s.do(t, order{Call: "count_tokens", Prompt: "good morning"})
		if got.Error != nil || got.InputTokens < 1 {
			t.Errorf("reply %+v, error %+v", got, got.Error)
		}
		sentOnce(t, s.tap, "/v1/messages/count_tokens", 200)
		got.RequestID = s.tap.Calls()[0].Answer.Get("Request-Id") // not every SDK shows it here
		s.checkRow(t, got, witness.Entry{Endpoint: "count_tokens"})
		if used := stack.Used(t, s.user); used != 0 {
			t.Errorf("%d requests used, want none", used)
		}
	})
}

// A list of models that says there is more when there is not keeps clients asking for ever.
func TestSDKsListModelsToTheEnd(t *testing.T) {
	each(t, "enterprise", func(t *testing.T, s session) {
		want := []string{"claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "internal"}
		for page := 1; page <= len(want)+1; page++ {
			before := len(s.tap.Calls())
			got := s.do(t, order{Call: "models", Page: page})
			if got.Error != nil || !slices.Equal(got.Models, want) {
				t.Errorf("%d on a page: models %v, error %+v; want %v", page, got.Models, got.Error, want)
			}
			pages := (len(want) + page - 1) / page
			if calls := len(s.tap.Calls()) - before; calls != pages {
				t.Errorf("%d on a page: %d requests, want %d", page, calls, pages)
			}
		}
		stack.Ledger(t, s.user.Subject, 0, 0)
	})
}

// checkMessage checks the answer of the mock model.
func (s session) checkMessage(t *testing.T, got reply) {
	t.Helper()
	if got.Error != nil {
		t.Fatalf("error %+v", got.Error)
	}
	if got.Text != "This is claude-haiku-5-5. You said: good morning" || got.StopReason != "end_turn" {
		t.Errorf("text %q, stop reason %q", got.Text, got.StopReason)
	}
	if got.InputTokens < 1 || got.OutputTokens < 1 {
		t.Errorf("usage %d in, %d out", got.InputTokens, got.OutputTokens)
	}
	if id := s.tap.Calls()[0].Answer.Get("Request-Id"); got.RequestID != id || id == "" {
		t.Errorf("request id %q, the gateway said %q", got.RequestID, id)
	}
}

// checkRow checks that the ledger has one row, under the request id that the program saw.
func (s session) checkRow(t *testing.T, got reply, want witness.Entry) {
	t.Helper()
	want.ID, want.UserName, want.Tier = got.RequestID, s.user.Name, s.user.Tier
	want.ModelRequested, want.ModelRouted, want.Backend = "claude-haiku-5-5", "claude-haiku-5-5", "anthropic"
	want.Status, want.HTTPStatus = "completed", 200
	if row := stack.Ledger(t, s.user.Subject, 0, 1)[0]; row != want {
		t.Errorf("ledger row\n%+v, want\n%+v", row, want)
	}
}
