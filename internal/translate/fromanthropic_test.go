package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// reply is how the answer of a case is to be told.
func reply(t testing.TB, g *golden) Reply {
	t.Helper()
	r := Reply{ID: "req_1", Created: 1700000000, Model: "claude-opus-5-5", InputTokens: 99}
	if g.has("reply.json") {
		if err := json.Unmarshal(g.section("reply.json"), &r); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

const openAIFinal = "data: [DONE]\n\n"

func TestAnswersOfAnthropicBackendsBecomeOpenAIs(t *testing.T) {
	eachGolden(t, "fromanthropic", func(t *testing.T, g *golden) {
		r := reply(t, g)
		if !g.has("in.sse") {
			got, err := fromAnthropic(g.section("in.json"), r)
			g.check(t, "error", message(err))
			if err == nil {
				checkCompletion(t, got)
				g.checkJSON(t, "out.json", got)
			}
			return
		}
		in := g.section("in.sse")
		out, err := feed(newFromAnthropic(r), in)
		g.check(t, "out.sse", string(out))
		g.check(t, "error", message(err))
		if complete := checkOpenAIStream(t, out, r.IncludeUsage); complete != (err == nil) {
			t.Errorf("complete is %v with error %v", complete, err)
		}
		checkCuts(t, func() Stream { return newFromAnthropic(r) }, in, openAIFinal)
	})
}

func message(err error) string {
	if err == nil {
		return ""
	}
	e := gateway.AsError(err)
	return string(e.Code) + ": " + e.Message
}

// checkCompletion holds a completion against what OpenAI's clients rely on.
func checkCompletion(t testing.TB, body []byte) {
	t.Helper()
	var c struct {
		ID, Object, Model string
		Created           int64
		Choices           []struct {
			Message struct {
				Role    string
				Content *string
				Refusal *string
				Calls   []openAICallPart `json:"tool_calls"`
			}
			FinishReason string `json:"finish_reason"`
		}
		Usage struct {
			Prompt     int64 `json:"prompt_tokens"`
			Completion int64 `json:"completion_tokens"`
			Total      int64 `json:"total_tokens"`
		}
	}
	if err := json.Unmarshal(body, &c); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if c.Object != "chat.completion" || len(c.Choices) != 1 || c.Choices[0].Message.Role != "assistant" || c.Choices[0].FinishReason == "" ||
		c.Usage.Total != c.Usage.Prompt+c.Usage.Completion {
		t.Fatalf("not whole: %s", body)
	}
	for _, call := range c.Choices[0].Message.Calls {
		if call.Type != "function" || call.Function.Arguments == nil || !strings.HasPrefix(*call.Function.Arguments, "{") || !json.Valid([]byte(*call.Function.Arguments)) {
			t.Fatalf("a call that cannot be made: %s", body)
		}
	}
}

func TestWhatIsNoMessageIsNoAnswer(t *testing.T) {
	for _, body := range []string{
		"", "<html>", `{"type":"message","content":[]`, `[]`, `{}`, `{"type":"message"}`, `{"type":"message","content":"hi"}`,
		`{"type":"error","error":{"type":"api_error","message":"x"}}`,
		`{"type":"message","content":` + strings.Repeat("[", 10_000_000),
	} {
		if got, err := fromAnthropic([]byte(body), Reply{}); err == nil || gateway.AsError(err).Code != gateway.BackendFailed {
			t.Errorf("%.40s gives %.40s, error %v", body, got, err)
		}
	}
}

func TestAVeryLongPieceIsOneChunk(t *testing.T) {
	text := strings.Repeat(`words and \"quotes\"\n`, 20_000)
	in := strings.ReplaceAll(string(sampleStream()), "Hello", text)
	out, err := feed(newFromAnthropic(Reply{}), []byte(in[:1000]), []byte(in[1000:200_000]), []byte(in[200_000:]))
	if err != nil || strings.Count(string(out), text) != 1 || !checkOpenAIStream(t, out, false) {
		t.Errorf("error %v, %d bytes", err, len(out))
	}
}

func TestWhatIsBehindTheEndIsNotTold(t *testing.T) {
	whole, err := feed(newFromAnthropic(Reply{}), sampleStream())
	if err != nil || !checkOpenAIStream(t, whole, false) {
		t.Fatalf("%s, error %v", whole, err)
	}
	more, err := feed(newFromAnthropic(Reply{}), sampleStream(), []byte(streamDelta+streamTail+"data: [DONE]\n\n"))
	if err != nil || !bytes.Equal(more, whole) {
		t.Errorf("it goes on with %s, error %v", bytes.TrimPrefix(more, whole), err)
	}
}

func TestDeepNestingInAStreamIsNoDanger(t *testing.T) {
	in := []byte(`data: {"type":"message_start","message":` + strings.Repeat(`{"a":`, 3_000_000) + "\n\n")
	if _, err := feed(newFromAnthropic(Reply{}), in); err == nil {
		t.Error("it is accepted")
	}
}

func TestABackendsErrorEndsTheStreamForGood(t *testing.T) {
	s := newFromAnthropic(Reply{})
	in := []byte("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n")
	_, err := s.Next(nil, in)
	copy(in, bytes.Repeat([]byte("x"), len(in))) // the caller uses its buffer again
	if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Code != gateway.Overloaded || e.Message != "Overloaded" {
		t.Fatalf("%v", err)
	}
	if out, again := s.Next(nil, sampleStream()); !errors.Is(again, err) || len(out) > 0 {
		t.Errorf("it goes on with %q, error %v", out, again)
	}
}

func TestErrorsOfAnthropicBackendsBecomeOpenAIs(t *testing.T) {
	envelope := func(kind, message string) string {
		return `{"type":"error","error":{"type":"` + kind + `","message":"` + message + `"},"request_id":"req_9"}`
	}
	for _, c := range []struct {
		name                string
		status              int
		body                string
		kind, code, message string
	}{
		{"a bad request", 400, envelope("invalid_request_error", `max_tokens: too \"large\"`), "invalid_request_error", "", `max_tokens: too "large"`},
		{"a prompt that is too long", 400, envelope("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), "invalid_request_error", "context_length_exceeded", "prompt is too long: 210000 tokens > 200000 maximum"},
		{"a limit that leaves no room", 400, envelope("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"), "invalid_request_error", "context_length_exceeded", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"},
		{"a body that is too large", 413, envelope("request_too_large", "too large"), "invalid_request_error", "context_length_exceeded", "too large"},
		{"a wrong token", 401, envelope("authentication_error", "no"), "invalid_request_error", "invalid_api_key", "no"},
		{"a bill that is open", 402, envelope("billing_error", "pay"), "insufficient_quota", "insufficient_quota", "pay"},
		{"no permission", 403, envelope("permission_error", "no"), "invalid_request_error", "permission_denied", "no"},
		{"an unknown model", 404, envelope("not_found_error", "model: x"), "invalid_request_error", "model_not_found", "model: x"},
		{"too many requests", 429, envelope("rate_limit_error", "slow down"), "rate_limit_error", "rate_limit_exceeded", "slow down"},
		{"a fault", 500, envelope("api_error", "oops"), "server_error", "", "oops"},
		{"a silent backend", 504, envelope("timeout_error", "slow"), "server_error", "timeout", "slow"},
		{"a backend under load", 529, envelope("overloaded_error", "Overloaded"), "server_error", "overloaded", "Overloaded"},
		{"a page", 502, "<html>Bad\x00 \xffGateway</html>", "server_error", "", "The backend answered with an error that cannot be read. It begins: <html>Bad\x00 Gateway</html>"},
		{"another dialect", 400, `{"message":"Malformed input"}`, "invalid_request_error", "", `The backend answered with an error that cannot be read. It begins: {"message":"Malformed input"}`},
		{"nothing", 503, "", "server_error", "overloaded", "The backend answered with an error that cannot be read, and nothing else."},
		{"a flood", 500, strings.Repeat("x", 10_000), "server_error", "", "The backend answered with an error that cannot be read. It begins: " + strings.Repeat("x", maxQuoted)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got struct {
				Error struct {
					Message, Type string
					Param, Code   *string
				}
			}
			body := errorFromAnthropic(c.status, []byte(c.body))
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			code := ""
			if got.Error.Code != nil {
				code = *got.Error.Code
			}
			if got.Error.Message != c.message || got.Error.Type != c.kind || code != c.code {
				t.Errorf("%s", body)
			}
		})
	}
}

func FuzzStreamFromAnthropic(f *testing.F) {
	for _, seed := range goldenSections(f, "fromanthropic", "in.sse") {
		f.Add(seed, 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		r := Reply{ID: "req_1", Model: "m", IncludeUsage: cut%2 == 0}
		out, err := feed(newFromAnthropic(r), in)
		if err != nil {
			if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Code != gateway.BackendFailed && e.Code != gateway.Overloaded {
				t.Fatalf("%v", err)
			}
		}
		if sound := soundOpenAIStream(out, r.IncludeUsage); sound != nil {
			t.Fatalf("%v in\n%s", sound, out)
		}
		if bytes.Contains(out, []byte(openAIFinal)) && !bytes.Contains(in, []byte("message_stop")) {
			t.Fatalf("it ends without the backend's final event:\n%s", out)
		}
		at := int(uint(cut) % uint(len(in)+1))
		again, errAgain := feed(newFromAnthropic(r), in[:at:at], in[at:])
		if !bytes.Equal(out, again) || (err == nil) != (errAgain == nil) {
			t.Fatalf("cut at byte %d it gives\n%s\nwant\n%s", at, again, out)
		}
	})
}

func FuzzAnswerFromAnthropic(f *testing.F) {
	for _, seed := range goldenSections(f, "fromanthropic", "in.json") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if out, err := fromAnthropic(in, Reply{}); err == nil {
			checkCompletion(t, out)
		}
		if body := errorFromAnthropic(400, in); !json.Valid(body) {
			t.Fatalf("%s", body)
		}
	})
}

// sampleStream is an answer of a word.
func sampleStream() []byte {
	return []byte(streamHead + streamDelta + streamTail)
}

const (
	streamHead = `event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-opus-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":2,"cache_read_input_tokens":3,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

`
	streamDelta = `event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello \"you\",\n"}}

`
	streamTail = `event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

`
)

func BenchmarkStreamFromAnthropic(b *testing.B) {
	var parts [][]byte
	for range 1000 {
		parts = append(parts, []byte(streamDelta))
	}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		s := newFromAnthropic(Reply{IncludeUsage: true})
		_, _ = s.Next(nil, []byte(streamHead))
		for _, part := range parts {
			var err error
			if out, err = s.Next(out[:0], part); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
}
