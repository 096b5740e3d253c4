package clients_test

import "slices"

// dialect is how the SDKs of the two vendors differ.
type dialect struct {
	base     string   // what their base URL ends in
	path     string   // of a prompt, below the gateway
	endpoint string   // of a prompt, in the ledger
	idHeader string   // with the request's id
	end      string   // the stop reason of an answer that is complete
	calls    []string // all that need a token
	internal string   // the id under which the internal model is listed
	limit    string   // headers of the quota: the requests of a window, and those that are left
	left     string
	batch    batchWords
	errors   map[int]apiError // what a program catches, by status
	// events are those of a stream with so many pieces of text.
	events func(pieces int, usage bool) []string
}

func anthropicDialect() dialect {
	return dialect{
		path: "/v1/messages", endpoint: "messages", idHeader: "Request-Id", end: "end_turn", internal: "claude--internal",
		calls: []string{"create", "stream", "count_tokens", "models"},
		limit: "Anthropic-Ratelimit-Requests-Limit", left: "Anthropic-Ratelimit-Requests-Remaining",
		batch: batchWords{completed: "ended", canceling: "canceling", canceled: "ended", late: 400},
		errors: map[int]apiError{
			400: {Class: "BadRequestError", Type: "invalid_request_error"},
			401: {Class: "AuthenticationError", Type: "authentication_error"},
			404: {Class: "NotFoundError", Type: "not_found_error"},
			413: {Class: "ContentTooLargeError", Type: "request_too_large"},
			429: {Class: "RateLimitError", Type: "rate_limit_error"},
		},
		events: func(pieces int, _ bool) []string {
			return slices.Concat(
				[]string{"message_start", "content_block_start"}, slices.Repeat([]string{"content_block_delta"}, pieces),
				[]string{"content_block_stop", "message_delta", "message_stop"})
		},
	}
}

func openAIDialect() dialect {
	return dialect{
		base: "/v1", path: "/v1/chat/completions", endpoint: "chat", idHeader: "X-Request-Id", end: "stop", internal: "internal",
		calls: []string{"create", "stream", "embed", "respond", "models"},
		limit: "X-Ratelimit-Limit-Requests", left: "X-Ratelimit-Remaining-Requests",
		batch: batchWords{completed: "completed", canceling: "cancelling", canceled: "cancelled", late: 409},
		errors: map[int]apiError{
			400: {Class: "BadRequestError", Type: "invalid_request_error"},
			401: {Class: "AuthenticationError", Type: "invalid_request_error"},
			404: {Class: "NotFoundError", Type: "invalid_request_error"},
			409: {Class: "ConflictError", Type: "invalid_request_error"},
			413: {Class: "APIError", Type: "invalid_request_error"},
			429: {Class: "RateLimitError", Type: "insufficient_quota"},
		},
		events: func(pieces int, usage bool) []string {
			events := slices.Concat([]string{"role"}, slices.Repeat([]string{"text"}, pieces), []string{"finish"})
			if usage {
				events = append(events, "usage")
			}
			return events
		},
	}
}
