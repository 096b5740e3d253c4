package clients_test

import "encoding/json"

// messageOf is the message in an error body, which the SDKs for Go leave to be found.
func messageOf(body string) string {
	var envelope struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(body), &envelope); err != nil || envelope.Error.Message == "" {
		return body
	}
	return envelope.Error.Message
}
