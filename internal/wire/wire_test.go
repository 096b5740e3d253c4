package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/sse"
)

// Wherever a stream is cut, its client reads whole events, then at most one half that is no JSON or whose type was
// replaced, and last an error.
func TestAStreamCutAtAnyByteEndsWithAnErrorAndNoHalfPassesForAWhole(t *testing.T) {
	failure := &gateway.Error{Code: gateway.BackendFailed, Message: "broke off"}
	for endpoint, stream := range map[gateway.Endpoint]string{
		gateway.Messages:  "event: message_start\ndata: {\"type\":\"message_start\"}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"n\":1}\n\n",
		gateway.Chat:      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n",
		gateway.Responses: "event: response.created\ndata: {\"type\":\"response.created\"}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n",
	} {
		for at := range len(stream) + 1 {
			tap := Of(endpoint).NewTap()
			given := append(bytes.Clone(tap.Pass([]byte(stream[:at]))), Of(endpoint).BreakOff(tap, failure, "req_1")...)
			var d sse.Decoder
			var last sse.Event
			for event, err := range d.Feed(given) {
				if err != nil {
					t.Fatal(err)
				}
				last = sse.Event{Name: event.Name, Data: bytes.Clone(event.Data)}
				isError := strings.Contains(string(event.Data), "broke off")
				isWhole := strings.Contains(stream, "data: "+string(event.Data)+"\n") && len(event.Data) > 0
				if !isError && !isWhole && (endpoint != gateway.Chat || json.Valid(event.Data)) {
					t.Errorf("%s cut at %d: %q passes for an event", endpoint, at, event.Data)
				}
			}
			if !strings.Contains(string(last.Data), "broke off") || endpoint != gateway.Chat && last.Name != "error" {
				t.Errorf("%s cut at %d ends with %q %q", endpoint, at, last.Name, last.Data)
			}
			if endpoint == gateway.Chat && !json.Valid(last.Data) {
				t.Errorf("cut at %d: the error is no JSON: %q", at, last.Data)
			}
		}
	}
}
