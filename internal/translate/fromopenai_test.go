package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// replyOf is how the answer of a case is to be told.
func replyOf(t testing.TB, g *golden) Reply {
	t.Helper()
	reply := Reply{ID: "0199-00aa", Model: "asked-for", InputTokens: 100, Thinking: true}
	if g.has("reply.json") {
		if err := json.Unmarshal(g.section("reply.json"), &reply); err != nil {
			t.Fatal(err)
		}
	}
	return reply
}

// backendFailed is the error as the exchange has to get it.
func backendFailed(t testing.TB, err error) *gateway.Error {
	t.Helper()
	var e *gateway.Error
	if !errors.As(err, &e) || e.Code != gateway.BackendFailed || e.Message == "" {
		t.Fatalf("%v is no BackendFailed error", err)
	}
	return e
}

func TestAChatCompletionBecomesAMessage(t *testing.T) {
	eachGolden(t, "fromopenai", func(t *testing.T, g *golden) {
		out, err := Whole(gateway.OpenAI, g.section("in.json"), replyOf(t, g))
		if err != nil {
			g.check(t, "error", backendFailed(t, err).Message)
			return
		}
		g.check(t, "error", "")
		g.checkJSON(t, "out.json", out)
	})
}

func TestAStreamOfChunksBecomesOneOfEvents(t *testing.T) {
	eachGolden(t, "fromopenai-stream", func(t *testing.T, g *golden) {
		in, reply := g.section("in.sse"), replyOf(t, g)
		start := func() Stream { return NewStream(gateway.OpenAI, reply) }
		out, err := feed(start(), in)
		g.check(t, "out.sse", strings.TrimSuffix(string(out), "\n"))
		message := ""
		if err != nil {
			message = backendFailed(t, err).Message
		}
		g.check(t, "error", message)
		if complete := checkAnthropicStream(t, out); complete != (err == nil) {
			t.Errorf("the stream is complete: %v, with the error %v", complete, err)
		}
		checkCuts(t, start, in, "message_stop")
	})
}

func TestAnErrorOfOpenAIBecomesOneOfAnthropic(t *testing.T) {
	eachGolden(t, "fromopenai-error", func(t *testing.T, g *golden) {
		status := 400
		if g.has("status") {
			if _, err := fmt.Sscan(string(g.section("status")), &status); err != nil {
				t.Fatal(err)
			}
		}
		g.checkJSON(t, "out.json", Error(gateway.OpenAI, status, bytes.TrimSuffix(g.section("in.json"), []byte("\n")), "req_1"))
	})
}

func TestAStreamStaysBroken(t *testing.T) {
	s := NewStream(gateway.OpenAI, Reply{})
	_, first := s.Next(nil, []byte("data: nonsense\n\n"))
	out, second := s.Next(nil, []byte("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"))
	if first == nil || !errors.Is(second, first) || len(out) > 0 {
		t.Errorf("%v, then %v with %q", first, second, out)
	}
}

func TestNothingIsKeptOfAnEventThatIsOver(t *testing.T) {
	filler := `data: {"choices":[{"delta":{"content":"` + strings.Repeat("x", 300) + `"}}]}` + "\n\n"
	out, err := feed(NewStream(gateway.OpenAI, Reply{}), []byte(filler), // from here on the decoder's memory is large enough
		[]byte(`data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_abc","function":{"name":"lookup"}}]}}]}`+"\n\n"), []byte(filler),
		[]byte(`data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}`+"\n\n"), []byte(filler),
		[]byte(`data: {"choices":[{"delta":{},"finish_reason":"stop","stop_reason":"END"}]}`+"\n\n"), []byte(filler), []byte("data: [DONE]\n\n"))
	if err != nil || !bytes.Contains(out, []byte(`"id":"call_abc","name":"lookup"`)) || !checkAnthropicStream(t, out) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAVeryLongChunkPassesWhole(t *testing.T) {
	long := strings.Repeat("a\\n", 100_000)
	in := `data: {"choices":[{"delta":{"content":"` + long + `"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	out, err := feed(NewStream(gateway.OpenAI, Reply{}), []byte(in[:1000]), []byte(in[1000:]))
	if err != nil || !bytes.Contains(out, []byte(`"text":"`+long+`"`)) || !checkAnthropicStream(t, out) {
		t.Errorf("error %v, %d bytes", err, len(out))
	}
}

func TestAStreamThatNeverEndsAnEventIsRefused(t *testing.T) {
	s := NewStream(gateway.OpenAI, Reply{})
	part := []byte("data: " + strings.Repeat("x", 1<<20))
	for range 20 {
		if _, err := s.Next(nil, part); err != nil {
			_ = backendFailed(t, err)
			return
		}
	}
	t.Error("20 MB without an end")
}

func TestEachDeltaBecomesOneDeltaAtOnce(t *testing.T) {
	s := NewStream(gateway.OpenAI, Reply{Thinking: true})
	for _, delta := range []string{
		`{"reasoning":"a"}`, `{"reasoning":"b"}`, `{"content":"a"}`, `{"content":"b"}`,
		`{"tool_calls":[{"index":0,"id":"t","function":{"name":"n","arguments":"{"}}]}`,
		`{"tool_calls":[{"index":0,"function":{"arguments":"\"a"}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"\":1}"}}]}`,
	} {
		out, err := s.Next(nil, []byte(`data: {"choices":[{"delta":`+delta+"}]}\n\n"))
		if n := bytes.Count(out, []byte("event: content_block_delta")); err != nil || n != 1 {
			t.Errorf("%s gives %d deltas, %v: %s", delta, n, err, out)
		}
	}
}

func FuzzFromOpenAIStream(f *testing.F) {
	for _, g := range everyGolden(f, "fromopenai-stream") {
		f.Add(g.section("in.sse"), 20)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		cut = max(0, min(cut, len(in)))
		s := NewStream(gateway.OpenAI, Reply{ID: "r", Thinking: cut%2 == 0})
		out, err := feed(s, in[:cut], in[cut:])
		if err != nil {
			_ = backendFailed(t, err)
		}
		if complete := checkAnthropicStream(t, out); complete && !bytes.Contains(in, []byte("[DONE]")) {
			t.Errorf("complete without [DONE]:\n%s", out)
		}
	})
}

func FuzzFromOpenAI(f *testing.F) {
	for _, g := range everyGolden(f, "fromopenai") {
		f.Add(g.section("in.json"), 200)
	}
	for _, g := range everyGolden(f, "fromopenai-error") {
		f.Add(g.section("in.json"), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		if out := Error(gateway.OpenAI, status, body, "r"); !json.Valid(out) {
			t.Errorf("the error is no JSON: %s", out)
		}
		out, err := Whole(gateway.OpenAI, body, Reply{ID: "r", Thinking: true})
		if err != nil {
			_ = backendFailed(t, err)
			return
		}
		var message struct {
			Content    []struct{ Type string }
			StopReason string `json:"stop_reason"`
		}
		if err := json.Unmarshal(out, &message); err != nil || message.Content == nil || message.StopReason == "" {
			t.Errorf("%v: %s", err, out)
		}
	})
}

func BenchmarkFromOpenAIStream(b *testing.B) {
	var in bytes.Buffer
	const head = `data: {"id":"chatcmpl-9f2c","object":"chat.completion.chunk","created":1763900000,"model":"gpt-test","system_fingerprint":"fp_1","choices":[{"index":0,"delta":`
	const deltas = 1000
	for range deltas {
		in.WriteString(head + `{"content":" some \"words\""},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n")
	}
	in.WriteString(head + `{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n")
	b.SetBytes(int64(in.Len()))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		s := NewStream(gateway.OpenAI, Reply{})
		for rest := in.Bytes(); len(rest) > 0; {
			n := min(len(rest), 300) // about an event a read
			var err error
			if dst, err = s.Next(dst[:0], rest[:n]); err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/deltas, "ns/delta")
}
