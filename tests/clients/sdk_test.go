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

// order is a call to make. What the calls do is in sdk_anthropic.mjs and sdk_openai.mjs, and
// in those of batches.
type order struct {
	Call     string `json:"call"`
	BaseURL  string `json:"base_url"`
	Token    string `json:"token"` // where the SDK's user puts an API key
	Model    string `json:"model"`
	Prompt   string `json:"prompt"`
	Pad      int    `json:"pad"`      // bytes to add to the prompt
	Stream   bool   `json:"stream"`   // of calls that can be made both ways
	Usage    bool   `json:"usage"`    // ask a stream of OpenAI for its usage
	N        int    `json:"n"`        // choices of a completion; 0 leaves it out
	Logprobs bool   `json:"logprobs"` // of a completion
	Page     int    `json:"page"`     // entries on a page of a list

	Batch batchOrder `json:"batch"`
}

// text is the whole prompt.
func (o order) text() string { return o.Prompt + strings.Repeat("x", o.Pad) }

// reply is what a program would make of the answer.
type reply struct {
	Text         string    `json:"text"`
	Thinking     string    `json:"thinking"`
	Model        string    `json:"model"`
	StopReason   string    `json:"stop_reason"`
	InputTokens  int64     `json:"input_tokens"`
	OutputTokens int64     `json:"output_tokens"`
	RequestID    string    `json:"request_id"`
	Events       []string  `json:"events"` // without pings
	Ran          []string  `json:"ran"`    // what the model had the program do, as in "weather Bern"
	Book         *book     `json:"book"`
	Dimensions   []int     `json:"dimensions"` // of each vector
	Models       []string  `json:"models"`
	Error        *apiError `json:"error"`

	Batch batchReply `json:"batch"`
}

// book is what a program wants to be told as data.
type book struct {
	Title string `json:"title"`
	Pages int    `json:"pages"`
}

// apiError is an error as a program catches it.
type apiError struct {
	Class     string `json:"class"` // empty where a language has only one
	Status    int    `json:"status"`
	Type      string `json:"type"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
}

// program is an SDK as somebody uses it.
type program struct {
	name   string
	header string // that it sends the token in
	sdk    sdk
	dialect
}

// anthropicSDKs are the generations of Anthropic's SDKs in use.
func anthropicSDKs() []program {
	return []program{
		{"Anthropic npm 0.137.0", "X-Api-Key", npm{"sdk_anthropic.mjs", "anthropic-sdk-0"}, anthropicDialect()},
		{"Anthropic npm 1.12.0", "Authorization", npm{"sdk_anthropic.mjs", "@anthropic-ai/sdk"}, anthropicDialect()},
		{"Anthropic Go v1.84.0", "X-Api-Key", goV1{}, anthropicDialect()},
		{"Anthropic Go v2.13.0", "Authorization", goV2{}, anthropicDialect()},
	}
}

// openAISDKs are the generations of OpenAI's SDKs in use.
func openAISDKs() []program {
	return []program{
		{"OpenAI npm 6.49.0", "Authorization", npm{"sdk_openai.mjs", "openai-sdk-6"}, openAIDialect()},
		{"OpenAI npm 7.57.0", "Authorization", npm{"sdk_openai.mjs", "openai"}, openAIDialect()},
		{"OpenAI Go v3.96.0", "Authorization", goOpenAI{}, openAIDialect()},
	}
}

func allSDKs() []program { return append(anthropicSDKs(), openAISDKs()...) }

// each runs a case with every program, as a user of its own, some at once.
func each(t *testing.T, programs []program, tier string, run func(t *testing.T, s session)) {
	t.Helper()
	eachInTurn(t, programs, tier, func(t *testing.T, s session) {
		t.Parallel()
		run(t, s)
	})
}

// eachInTurn is each for cases that change what all programs meet.
func eachInTurn(t *testing.T, programs []program, tier string, run func(t *testing.T, s session)) {
	t.Helper()
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			counted(t)
			run(t, session{program: p, user: stack.User(t, tier), tap: stack.Tap(t), backend: strings.TrimPrefix(tier, over)})
		})
	}
}

// eachOver runs a case with every program over a backend of each dialect.
func eachOver(t *testing.T, programs []program, run func(t *testing.T, s session)) {
	t.Helper()
	for _, backend := range []string{"anthropic", "openai"} {
		t.Run(over+" "+backend, func(t *testing.T) { each(t, programs, over+backend, run) })
	}
}

// session is one program of one user.
type session struct {
	program
	user    witness.User
	tap     *witness.Tap
	backend string // that the user's tier leads to, where the name of the tier says so
}

// do makes a call of the user through the tap.
func (s session) do(t *testing.T, o order) reply {
	t.Helper()
	if o.BaseURL == "" {
		o.BaseURL = s.tap.URL
	}
	o.BaseURL += s.base
	if o.Token == "" {
		o.Token = s.user.Token
	}
	switch o.Model {
	case "":
		o.Model = "claude-haiku-5-5"
	case noModel:
		o.Model = ""
	}
	if o.Call == "stream" {
		o.Stream = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), claudeTimeout)
	defer cancel()
	return s.sdk.call(t, ctx, o)
}

// lastID is the id under which the gateway answered the program's last request.
func (s session) lastID() string {
	calls := s.tap.Calls()
	return calls[len(calls)-1].Answer.Get(s.idHeader)
}

// reached checks what of the program's last request reached a model: the backend and the path, or nothing.
func (s session) reached(t *testing.T, want ...string) {
	t.Helper()
	if got := stack.Reached(t, s.lastID()); !slices.Equal(got, want) {
		t.Errorf("the request reached %q, want %q", got, want)
	}
}

// checkAnswer checks the answer of the mock model to "good morning", and that the program saw the request's id.
func (s session) checkAnswer(t *testing.T, got reply) {
	t.Helper()
	if got.Error != nil {
		t.Fatalf("error %+v", got.Error)
	}
	if got.Text != "This is claude-haiku-5-5. You said: good morning" || got.Model != "claude-haiku-5-5" || got.StopReason != s.end {
		t.Errorf("text %q, model %q, stop reason %q", got.Text, got.Model, got.StopReason)
	}
	s.checkID(t, got)
}

// checkID checks that the program saw the id that the gateway gave its last request.
func (s session) checkID(t *testing.T, got reply) {
	t.Helper()
	if id := s.lastID(); got.RequestID != id || id == "" {
		t.Errorf("request id %q, the gateway said %q", got.RequestID, id)
	}
}

// checkRow checks that the ledger has one row, under the request id and with the usage that the program saw.
func (s session) checkRow(t *testing.T, got reply, want witness.Entry) {
	t.Helper()
	row := stack.Ledger(t, s.user.Subject, 0, 1)[0]
	want.ID, want.UserName, want.Tier, want.Backend = got.RequestID, s.user.Name, s.user.Tier, s.backend
	if want.ModelRequested == "" {
		want.ModelRequested, want.ModelRouted = "claude-haiku-5-5", "claude-haiku-5-5"
	}
	want.Status, want.HTTPStatus = "completed", 200
	want.InputTokens, want.OutputTokens = got.InputTokens, got.OutputTokens
	if row != want {
		t.Errorf("ledger row\n%+v, want\n%+v", row, want)
	}
	if row.InputTokens < 1 {
		t.Errorf("%d tokens in", row.InputTokens)
	}
}
