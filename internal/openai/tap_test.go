package openai

import (
	"bytes"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const chat = `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}

data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"Say \"usage\":{} and [DONE]"},"finish_reason":null}],"usage":null}

data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[],"usage":{"prompt_tokens":30,"completion_tokens":12,"total_tokens":42,"prompt_tokens_details":{"cached_tokens":10}}}

data: [DONE]

`

const response = `event: response.created
data: {"type":"response.created","response":{"status":"in_progress","usage":null}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","delta":"hi"}

event: response.completed
data: {"type":"response.completed","response":{"status":"completed","error":null,"usage":{"input_tokens":30,"input_tokens_details":{"cached_tokens":10},"output_tokens":12}}}

`

func taps() map[string]struct {
	whole, final, reason string
	tap                  func() *Tap
} {
	return map[string]struct {
		whole, final, reason string
		tap                  func() *Tap
	}{
		"chat":      {chat, "data: [DONE]", "stop", NewTap},
		"CRLF":      {strings.ReplaceAll(chat, "\n", "\r\n"), "data: [DONE]", "stop", NewTap},
		"no spaces": {strings.ReplaceAll(chat, "data: ", "data:"), "data:[DONE]", "stop", NewTap},
		"response":  {response, "event: response.completed", "completed", NewResponseTap},
	}
}

func TestTheFinalEventIsHeldHoweverTheStreamIsCut(t *testing.T) {
	for name, c := range taps() {
		t.Run(name, func(t *testing.T) {
			whole := []byte(c.whole)
			final := bytes.LastIndex(whole, []byte(c.final))
			for at := 0; at <= len(whole); at++ {
				tap := c.tap()
				passed := append(bytes.Clone(tap.Pass(bytes.Clone(whole[:at]))), tap.Pass(bytes.Clone(whole[at:]))...)
				if !bytes.Equal(passed, whole[:final]) || !bytes.Equal(tap.Held(), whole[final:]) || !tap.Finished() {
					t.Fatalf("cut at %d: passed %d bytes of %d", at, len(passed), final)
				}
				said := tap.Said()
				if want := (gateway.Usage{Input: 20, CacheRead: 10, Output: 12}); said.Usage != want || said.StopReason != c.reason || said.ErrorType != "" {
					t.Fatalf("cut at %d: %+v", at, said)
				}
			}
		})
	}
}

func TestAStreamCutAtAnyByteNeverLooksFinished(t *testing.T) {
	for name, c := range taps() {
		for at := range len(c.whole) {
			tap := c.tap()
			tap.Pass([]byte(c.whole[:at]))
			if tap.Finished() {
				t.Fatalf("%s: finished after %d of %d bytes", name, at, len(c.whole))
			}
		}
	}
}

func TestAnErrorInAStreamIsSeen(t *testing.T) {
	for text, c := range map[string]struct {
		want string
		tap  *Tap
	}{
		"data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n":                                                                                         {"server_error", NewTap()},
		"data: {\"error\":{\"message\":\"no\",\"code\":503}}\n\n":                                                                                                      {"503", NewTap()},
		"event: error\ndata: {\"type\":\"error\",\"code\":\"overloaded\",\"message\":\"no\"}\n\n":                                                                      {"overloaded", NewResponseTap()},
		"event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"\"}}}\n\n": {"server_error", NewResponseTap()},
	} {
		c.tap.Pass([]byte(text))
		if got := c.tap.Said().ErrorType; got != c.want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestUsageThatWasNotAskedForIsLeftOut(t *testing.T) {
	var want []byte
	for event := range strings.SplitAfterSeq(chat, "\n\n") {
		if !strings.Contains(event, `"choices":[]`) {
			want = append(want, event...)
		}
	}
	for at := 0; at <= len(chat); at++ {
		var u Unasked
		got, err := u.Next(nil, []byte(chat[:at]))
		if err == nil {
			got, err = u.Next(got, []byte(chat[at:]))
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("cut at %d: %v\n%s", at, err, got)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	a := ReadAnswer([]byte(`{"choices":[{"finish_reason":"length","message":{"content":"\"usage\":{}"}}],"usage":{"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":1}}}`))
	if want := (gateway.Usage{Input: 2, Output: 4, CacheRead: 1}); a.Usage != want || a.StopReason != "length" || a.ErrorType != "" {
		t.Errorf("%+v", a)
	}
	if a = ReadAnswer([]byte(`{"error":{"message":"no","type":"invalid_request_error"}}`)); a.ErrorType != "invalid_request_error" || a.HasUsage {
		t.Errorf("%+v", a)
	}
	if a = ReadAnswer([]byte(`{"object":"list","data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}`)); a.Usage != (gateway.Usage{Input: 8}) {
		t.Errorf("%+v", a)
	}
}

func FuzzTaps(f *testing.F) {
	f.Add([]byte(chat), 10)
	f.Add([]byte(response), 100)
	f.Fuzz(func(t *testing.T, whole []byte, at int) {
		if at < 0 || at > len(whole) || len(whole) > 1<<20 {
			return
		}
		for name, c := range taps() {
			once, cut := c.tap(), c.tap()
			a := append(bytes.Clone(once.Pass(bytes.Clone(whole))), once.Held()...)
			b := bytes.Clone(cut.Pass(bytes.Clone(whole[:at])))
			b = append(append(b, cut.Pass(bytes.Clone(whole[at:]))...), cut.Held()...)
			if !bytes.Equal(a, whole) || !bytes.Equal(b, whole) {
				t.Fatalf("%s: bytes were lost or changed", name)
			}
			if once.Said() != cut.Said() || once.Finished() != cut.Finished() {
				t.Fatalf("%s: whole %+v, cut %+v", name, once.Said(), cut.Said())
			}
		}
		var u, v Unasked
		a, errA := u.Next(nil, whole)
		b, errB := v.Next(nil, whole[:at])
		if errB == nil {
			b, errB = v.Next(b, whole[at:])
		}
		if (errA == nil) != (errB == nil) || errA == nil && !bytes.Equal(a, b) {
			t.Fatalf("whole %q, cut %q", a, b)
		}
	})
}
