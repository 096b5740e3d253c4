package clients_test

import (
	"slices"
	"testing"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

// Responses and embeddings are OpenAI's alone: they pass to a backend of that dialect, and no other can answer them.

func TestOpenAISDKsGetAResponse(t *testing.T) {
	for name, stream := range ways() {
		t.Run(name, func(t *testing.T) {
			each(t, openAISDKs(), over+"openai", func(t *testing.T, s session) {
				got := s.do(t, order{Call: "respond", Stream: stream, Prompt: "good morning"})
				if got.Error != nil || got.Text != "This is claude-haiku-5-5. You said: good morning" || got.StopReason != "completed" {
					t.Fatalf("text %q, status %q, error %+v", got.Text, got.StopReason, got.Error)
				}
				if stream {
					got.RequestID = s.lastID() // the helper for streams does not show it
					if n := count(got.Events, "response.output_text.delta"); n != pieces || got.Events[len(got.Events)-1] != "response.completed" {
						t.Errorf("%d pieces in the events %v, want %d", n, got.Events, pieces)
					}
				}
				s.checkID(t, got)
				sentOnce(t, s.tap, "/v1/responses", 200)
				s.reached(t, "openai /v1/responses")
				s.checkRow(t, got, witness.Entry{Endpoint: "responses", Charge: 1, Stream: stream})
			})
		})
	}
}

func count(events []string, kind string) int {
	return len(slices.DeleteFunc(slices.Clone(events), func(event string) bool { return event != kind }))
}

func TestOpenAISDKsEmbed(t *testing.T) {
	each(t, openAISDKs(), over+"openai", func(t *testing.T, s session) {
		const model = "text-embedding-3-small"
		got := s.do(t, order{Call: "embed", Model: model, Prompt: "good morning"})
		if got.Error != nil || !slices.Equal(got.Dimensions, []int{64, 64}) {
			t.Fatalf("vectors %v, error %+v", got.Dimensions, got.Error)
		}
		s.checkID(t, got)
		sentOnce(t, s.tap, "/v1/embeddings", 200)
		s.reached(t, "openai /v1/embeddings")
		s.checkRow(t, got, witness.Entry{Endpoint: "embeddings", Charge: 1, ModelRequested: model, ModelRouted: model})
	})
}

func TestOpenAISDKsAreToldWhatABackendCannotDo(t *testing.T) {
	for _, c := range []struct {
		name   string
		order  order
		status int
	}{
		{"responses", order{Call: "respond"}, 404},
		{"embeddings", order{Call: "embed", Model: "text-embedding-3-small"}, 404},
		{"more than one choice", order{Call: "stream", N: 2}, 400},
		{"log probabilities", order{Call: "create", Logprobs: true}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, openAISDKs(), over+"anthropic", func(t *testing.T, s session) {
				o := c.order
				o.Prompt = "hello"
				s.checkError(t, s.do(t, o), c.status, "")
				if calls := s.tap.Calls(); len(calls) != 1 {
					t.Errorf("requests: %s, want 1", paths(calls))
				}
				s.reached(t)
				stack.Ledger(t, s.user.Subject, 0, 0)
				if used := stack.Used(t, s.user); used != 0 {
					t.Errorf("%d requests used, want none", used)
				}
			})
		})
	}
}
