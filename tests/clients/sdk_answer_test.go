package clients_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

// pieces is how many pieces of text the mock model answers "good morning" with; each has to arrive as one event.
const pieces = 3

func TestSDKsGetAnAnswer(t *testing.T) {
	eachOver(t, allSDKs(), func(t *testing.T, s session) {
		got := s.do(t, order{Call: "create", Prompt: "good morning"})
		s.checkAnswer(t, got)
		sentOnce(t, s.tap, s.path, 200)
		s.reached(t, map[string]string{
			"anthropic": "anthropic /v1/messages", "openai": "openai /v1/chat/completions",
		}[s.backend])
		if sent := s.tap.Calls()[0].Header; !strings.Contains(sent.Get(s.header), s.user.Token) {
			t.Errorf("the token was not sent as %s", s.header)
		}
		s.checkRow(t, got, witness.Entry{Endpoint: s.endpoint, Charge: 1})
	})
}

func TestSDKsStreamAnAnswer(t *testing.T) {
	eachOver(t, allSDKs(), func(t *testing.T, s session) {
		got := s.do(t, order{Call: "stream", Usage: true, Prompt: "good morning"})
		if s.dialect.endpoint == "chat" {
			got.RequestID = s.lastID() // the helper for streams does not show it
		}
		s.checkAnswer(t, got)
		if want := s.events(pieces, true); !slices.Equal(got.Events, want) {
			t.Errorf("events %v, want %v", got.Events, want)
		}
		sentOnce(t, s.tap, s.path, 200)
		s.checkRow(t, got, witness.Entry{Endpoint: s.endpoint, Charge: 1, Stream: true})
	})
}

// The usage of a stream is on record also where the program does not ask for it, and is then not sent.
func TestOpenAISDKsIterateAStream(t *testing.T) {
	for _, call := range []string{"iterate", "stream"} {
		t.Run(call, func(t *testing.T) {
			eachOver(t, openAISDKs(), func(t *testing.T, s session) {
				got := s.do(t, order{Call: call, Prompt: "good morning"})
				if call == "stream" {
					got.RequestID = s.lastID()
				}
				s.checkAnswer(t, got)
				if want := s.events(pieces, false); !slices.Equal(got.Events, want) {
					t.Errorf("events %v, want %v", got.Events, want)
				}
				if got.InputTokens != 0 || got.OutputTokens != 0 {
					t.Errorf("usage %d in, %d out, though it was not asked for", got.InputTokens, got.OutputTokens)
				}
				row := stack.Ledger(t, s.user.Subject, 0, 1)[0]
				if row.ID != got.RequestID || row.InputTokens < 1 || row.OutputTokens != pieces || row.Backend != s.backend {
					t.Errorf("ledger row %+v", row)
				}
			})
		})
	}
}

func TestSDKsThink(t *testing.T) {
	for name, stream := range ways() {
		t.Run(name, func(t *testing.T) {
			eachOver(t, anthropicSDKs(), func(t *testing.T, s session) {
				got := s.do(t, order{Call: "think", Stream: stream, Prompt: "good morning"})
				s.checkAnswer(t, got)
				if got.Thinking != "Let me think about what the user said." {
					t.Errorf("thinking %q", got.Thinking)
				}
				s.checkRow(t, got, witness.Entry{Endpoint: s.endpoint, Charge: 1, Stream: stream})
			})
		})
	}
}

// ways are the two ways to be given an answer.
func ways() map[string]bool { return map[string]bool{"whole": false, "streamed": true} }

func TestSDKsAreToldData(t *testing.T) {
	eachOver(t, allSDKs(), func(t *testing.T, s session) {
		got := s.do(t, order{Call: "parse", Prompt: "good morning"})
		want := book{Title: "Mock title: good morning", Pages: 1}
		if got.Error != nil || got.Book == nil || *got.Book != want {
			t.Fatalf("%+v, error %+v; want %+v", got.Book, got.Error, want)
		}
		got.RequestID = s.lastID() // not every helper shows it
		s.checkRow(t, got, witness.Entry{Endpoint: s.endpoint, Charge: 1})
	})
}

func TestSDKsRunTools(t *testing.T) {
	for _, c := range []struct {
		name, prompt, says string
		ran                []string
	}{
		{
			"one", `use the weather tool with {"city":"Bern"}`,
			"The tool answered: 21 degrees in Bern",
			[]string{"weather Bern"},
		},
		{
			"two at once", `use the weather tool with {"city":"Bern"} and the clock tool with {"city":"Bonn"}`,
			"The tool answered: 21 degrees in Bern, noon in Bonn",
			[]string{"weather Bern", "clock Bonn"},
		},
	} {
		for name, stream := range ways() {
			t.Run(c.name+" "+name, func(t *testing.T) {
				eachOver(t, allSDKs(), func(t *testing.T, s session) {
					got := s.do(t, order{Call: "tools", Stream: stream, Usage: stream, Prompt: c.prompt})
					if got.Error != nil || got.Text != c.says || !slices.Equal(got.Ran, c.ran) {
						t.Errorf("text %q, ran %v, error %+v; want %q and %v", got.Text, got.Ran, got.Error, c.says, c.ran)
					}
					s.checkRounds(t, got, stream)
				})
			})
		}
	}
}

// checkRounds checks the two requests that tools take. An SDK may ask before whether the model keeps conversations,
// and sends them whole when it hears that it does not; that takes no request from the quota.
func (s session) checkRounds(t *testing.T, got reply, stream bool) {
	t.Helper()
	var ids []string
	for _, call := range s.tap.Calls() {
		if call.Status == 200 {
			ids = append(ids, call.Answer.Get(s.idHeader))
		}
	}
	for i, row := range stack.Ledger(t, s.user.Subject, 0, 2) {
		if !slices.Contains(ids, row.ID) || row.Status != "completed" || row.Stream != stream || row.Backend != s.backend || row.Charge != 1 {
			t.Errorf("ledger row %d of requests %v: %+v", i, ids, row)
		}
		if i == 1 && (row.InputTokens != got.InputTokens || row.OutputTokens != got.OutputTokens || row.InputTokens < 1) {
			t.Errorf("ledger row %+v, the program saw %d tokens in and %d out", row, got.InputTokens, got.OutputTokens)
		}
	}
}

func TestSDKsCountTokensForNothing(t *testing.T) {
	eachOver(t, anthropicSDKs(), func(t *testing.T, s session) {
		got := s.do(t, order{Call: "count_tokens", Prompt: "good morning"})
		if got.Error != nil || got.InputTokens < 1 {
			t.Errorf("reply %+v, error %+v", got, got.Error)
		}
		sentOnce(t, s.tap, "/v1/messages/count_tokens", 200)
		if s.backend == "openai" { // which cannot count: the gateway estimates, and nothing leaves that would be on record
			stack.Ledger(t, s.user.Subject, 0, 0)
		} else {
			got.RequestID = s.lastID() // not every SDK shows it here
			s.checkCounted(t, got)
		}
		if used := stack.Used(t, s.user); used != 0 {
			t.Errorf("%d requests used, want none", used)
		}
	})
}

// checkCounted checks that counting tokens is on record and cost nothing.
func (s session) checkCounted(t *testing.T, got reply) {
	t.Helper()
	row := stack.Ledger(t, s.user.Subject, 0, 1)[0]
	if row.ID != got.RequestID || row.Endpoint != "count_tokens" || row.Status != "completed" || row.Charge != 0 || row.Backend != s.backend {
		t.Errorf("ledger row %+v", row)
	}
}

// A list of models that says there is more when there is not keeps clients asking for ever. OpenAI's has no pages.
func TestSDKsListModelsToTheEnd(t *testing.T) {
	each(t, allSDKs(), "enterprise", func(t *testing.T, s session) {
		want := []string{"claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", s.internal}
		for page := 1; page <= len(want)+1; page++ {
			before := len(s.tap.Calls())
			got := s.do(t, order{Call: "models", Page: page})
			if got.Error != nil || !slices.Equal(got.Models, want) {
				t.Errorf("%d on a page: models %v, error %+v; want %v", page, got.Models, got.Error, want)
			}
			pages := (len(want) + page - 1) / page
			if s.endpoint == "chat" {
				pages = 1
			}
			if calls := len(s.tap.Calls()) - before; calls != pages {
				t.Errorf("%d on a page: %d requests, want %d", page, calls, pages)
			}
			if s.endpoint == "chat" {
				break
			}
		}
		stack.Ledger(t, s.user.Subject, 0, 0)
	})
}

// What is listed can be retrieved and used, under whatever id.
func TestSDKsUseTheModelsThatAreListed(t *testing.T) {
	eachOver(t, allSDKs(), func(t *testing.T, s session) {
		got := s.do(t, order{Call: "model", Model: s.internal})
		if got.Error != nil || !slices.Equal(got.Models, []string{s.internal}) {
			t.Fatalf("models %v, error %+v", got.Models, got.Error)
		}
		s.checkID(t, got)
		got = s.do(t, order{Call: "create", Model: s.internal, Prompt: "good morning"})
		if got.Error != nil || got.Text != "This is internal. You said: good morning" {
			t.Fatalf("text %q, error %+v", got.Text, got.Error)
		}
		s.checkRow(t, got, witness.Entry{Endpoint: s.endpoint, Charge: 1, ModelRequested: s.internal, ModelRouted: "internal"})
	})
}
