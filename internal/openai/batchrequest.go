package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// What the API allows as the metadata of a batch.
const (
	maxPairs = 16
	maxKey   = 64  // characters
	maxValue = 512 // the same
)

// BatchRequest is what makes a batch.
type BatchRequest struct {
	InputFile uuid.UUID
	Endpoint  gateway.Endpoint
	Metadata  map[string]string // nil if there is none
}

// batchRequest is the body of POST /v1/batches.
type batchRequest struct {
	InputFileID        string            `json:"input_file_id"`
	Endpoint           string            `json:"endpoint"`
	CompletionWindow   string            `json:"completion_window"`
	Metadata           map[string]string `json:"metadata"`
	OutputExpiresAfter json.RawMessage   `json:"output_expires_after"`
}

// ParseEndpoint is the endpoint, of either dialect, that has the path; ok is false if no batch can be made for it.
func ParseEndpoint(path string) (e gateway.Endpoint, ok bool) {
	for _, e := range [...]gateway.Endpoint{gateway.Messages, gateway.Chat, gateway.Responses, gateway.Embeddings} {
		if path == e.Path() {
			return e, true
		}
	}
	return "", false
}

// ReadBatchRequest reads the body of the request that makes a batch. The error is a *gateway.Error.
func ReadBatchRequest(body []byte) (BatchRequest, error) {
	var w batchRequest
	if err := json.Unmarshal(body, &w); err != nil {
		return BatchRequest{}, unreadable(err)
	}
	file, ok := gateway.ParseFileID(w.InputFileID)
	if !ok {
		return BatchRequest{}, invalid("input_file_id", "%.80q is no file of this gateway. Upload the requests with POST /v1/files, purpose=batch, and give the id of the answer.", w.InputFileID)
	}
	endpoint, ok := ParseEndpoint(w.Endpoint)
	if !ok || endpoint.Dialect() != gateway.OpenAI {
		return BatchRequest{}, invalid("endpoint", "%.80q takes no batches. Use /v1/chat/completions, /v1/embeddings or /v1/responses.", w.Endpoint)
	}
	if w.CompletionWindow != window {
		return BatchRequest{}, invalid("completion_window", "%.80q cannot be had. Use %q.", w.CompletionWindow, window)
	}
	if len(w.OutputExpiresAfter) > 0 && string(w.OutputExpiresAfter) != "null" {
		return BatchRequest{}, invalid("output_expires_after", "this gateway keeps all results for the time that its operator has set. Leave it out, and delete the files when you have read them.")
	}
	return BatchRequest{file, endpoint, w.Metadata}, CheckMetadata(w.Metadata)
}

// CheckMetadata holds the metadata of a batch against the API's bounds. The error is a *gateway.Error.
func CheckMetadata(metadata map[string]string) error {
	if len(metadata) > maxPairs {
		return invalid("metadata", "it has %d pairs. Use at most %d.", len(metadata), maxPairs)
	}
	for key, value := range metadata {
		if !isText(key, maxKey) || key == "" {
			return invalid("metadata", "the key %.80q is none. Use 1 to %d characters of Unicode text.", key, maxKey)
		}
		if !isText(value, maxValue) {
			return invalid("metadata", "the value of %q is none. Use at most %d characters of Unicode text.", key, maxValue)
		}
	}
	return nil
}

// isText reports whether s can be kept and given back as it is: the store takes no NUL, and decoders put U+FFFD in the
// place of what is no character.
func isText(s string, most int) bool {
	return utf8.RuneCountInString(s) <= most && !strings.ContainsAny(s, "\x00\uFFFD")
}

// unreadable says what is wrong with a body that does not decode.
func unreadable(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case ok && strings.HasPrefix(wrong.Field, "metadata"):
		return invalid("metadata", "this is of the type %s. Use an object whose values are strings.", wrong.Value)
	case ok && wrong.Field != "":
		return invalid(wrong.Field, "this is of the type %s. Use a string.", wrong.Value)
	}
	return invalid("body", "it is no JSON object. Send one with input_file_id, endpoint and completion_window.")
}

func invalid(place, format string, a ...any) error {
	return &gateway.Error{Code: gateway.Invalid, NoRetry: true, Message: place + ": " + fmt.Sprintf(format, a...)}
}
