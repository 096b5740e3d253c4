package anthropic

import (
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestReadAnswer(t *testing.T) {
	a := ReadAnswer([]byte(`{"id":"msg_1","content":[{"type":"text","text":"\"usage\""}],"stop_reason":"max_tokens","usage":{"input_tokens":3,"output_tokens":4,"cache_read_input_tokens":5,"cache_creation_input_tokens":6,"service_tier":"standard"}}`))
	if want := (gateway.Usage{Input: 3, Output: 4, CacheRead: 5, CacheWrite: 6}); a.Usage != want || !a.HasUsage || a.StopReason != "max_tokens" {
		t.Errorf("%+v", a)
	}
	a = ReadAnswer([]byte(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`))
	if a.ErrorType != "overloaded_error" || a.HasUsage {
		t.Errorf("%+v", a)
	}
}
