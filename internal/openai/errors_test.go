package openai

import (
	"encoding/json"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestErrorsAreInTheOpenAIEnvelope(t *testing.T) {
	for code, want := range map[gateway.Code]struct {
		status int
		kind   string
		code   string
	}{
		gateway.Invalid:         {400, "invalid_request_error", ""},
		gateway.Unauthenticated: {401, "invalid_request_error", "invalid_api_key"},
		gateway.QuotaSpent:      {429, "insufficient_quota", "insufficient_quota"},
		gateway.Overloaded:      {503, "server_error", "overloaded"},
		gateway.Internal:        {500, "server_error", ""},
	} {
		status, body := ErrorBody(&gateway.Error{Code: code, Message: "what to do"})
		var got struct {
			Error struct {
				Message, Type, Code string
				Param               *string
			}
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if status != want.status || got.Error.Type != want.kind || got.Error.Code != want.code || got.Error.Message != "what to do" {
			t.Errorf("%s: %d %s", code, status, body)
		}
	}
}
