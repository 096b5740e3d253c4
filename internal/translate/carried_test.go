package translate

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const signature = `{"google":{"thought_signature":"Ab+/c=\"é"}}`

func TestWhatGoogleSignsComesBackWithTheCall(t *testing.T) {
	reply := Reply{ID: "r", Model: "m"}
	whole := `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[` +
		`{"id":"call_1","type":"function","extra_content":` + signature + `,"function":{"name":"f","arguments":"{}"}},` +
		`{"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`
	message, err := Whole(gateway.OpenAI, []byte(whole), reply)
	if err != nil {
		t.Fatal(err)
	}
	streamed, err := NewStream(gateway.OpenAI, reply).Next(nil, []byte(
		`data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","extra_content":`+signature+
			`,"function":{"name":"f","arguments":"{}"}}]},"finish_reason":null}]}`+"\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	first, second := gjson.GetBytes(message, "content.0.id").Str, gjson.GetBytes(message, "content.1.id").Str
	if !strings.Contains(string(streamed), `"id":"`+first+`"`) {
		t.Errorf("the id is %s, and in a stream another:\n%s", first, streamed)
	}
	if strings.Trim(first, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" || second != "call_2" {
		t.Errorf("ids %s and %s", first, second)
	}
	call, err := Request(gateway.Anthropic, []byte(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"go"},{"role":"assistant","content":[`+
		`{"type":"tool_use","id":"`+first+`","name":"f","input":{}},{"type":"tool_use","id":"call_2","name":"g","input":{}}]},`+
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"`+first+`","content":"1"},{"type":"tool_result","tool_use_id":"call_2","content":"2"}]}]}`), Options{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	sent := gjson.ParseBytes(call.Body)
	for path, want := range map[string]string{
		"messages.1.tool_calls.0.id": "call_1", "messages.1.tool_calls.0.extra_content": signature, "messages.1.tool_calls.1.id": "call_2",
		"messages.1.tool_calls.1.extra_content": "", "messages.2.tool_call_id": "call_1", "messages.3.tool_call_id": "call_2",
	} {
		if got := sent.Get(path).String(); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

func TestAnIDThatOnlyLooksLikeACarrierStaysAnID(t *testing.T) {
	for _, id := range []string{"a", "a__extra_", "a__extra_!!", "a__extra_Zm9v", "__extra_bnVsbA"} {
		if own, extra := carried(gjson.Parse(`"` + id + `"`)); own != `"`+id+`"` || extra != "" {
			t.Errorf("%s became %s and %s", id, own, extra)
		}
	}
}
