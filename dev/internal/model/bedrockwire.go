package model

import (
	"bytes"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/tidwall/gjson"
)

// errorTypeHeader names the exception of an answer.
const errorTypeHeader = "x-amzn-errortype"

// bedrock is the wire of Amazon Bedrock.
type bedrock struct{}

func (bedrock) identify(x *exchange) {
	sum := x.seed() + "0123456789"
	x.w.Header().Set("x-amzn-requestid", sum[:8]+"-"+sum[8:12]+"-4"+sum[12:15]+"-8"+sum[15:18]+"-"+sum[18:30])
}

func (bedrock) envelope(x *exchange, status int, message string) []byte {
	header := x.w.Header()
	if header.Get(errorTypeHeader) == "" {
		header.Set(errorTypeHeader, bedrockErrorType(status)+":http://internal.amazon.com/coral/com.amazon.bedrock/")
	}
	return marshal(map[string]string{"message": message})
}

// bedrockErrorType is the exception that belongs to a status.
func bedrockErrorType(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "ValidationException"
	case http.StatusForbidden:
		return "AccessDeniedException"
	case http.StatusNotFound:
		return "ResourceNotFoundException"
	case http.StatusRequestTimeout:
		return "ModelTimeoutException"
	case http.StatusFailedDependency:
		return "ModelErrorException"
	case http.StatusTooManyRequests:
		return "ThrottlingException"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailableException"
	}
	return "InternalServerException"
}

func (bedrock) contentType() string { return "application/vnd.amazon.eventstream" }

// frame puts the data of an event into a chunk. Pings are Anthropic's own; the
// last event carries what Bedrock itself has measured.
func (bedrock) frame(event []byte) []byte {
	_, data, _ := bytes.Cut(event, []byte("data: "))
	data = bytes.TrimRight(data, "\n")
	switch gjson.GetBytes(data, "type").Str {
	case "ping":
		return nil
	case "message_stop":
		data = concat(string(bytes.TrimRight(data, "}")),
			`,"amazon-bedrock-invocationMetrics":{"inputTokenCount":1,"outputTokenCount":1,"invocationLatency":1,"firstByteLatency":1}}`)
	}
	return awsMessage("event", ":event-type", "chunk", marshal(map[string]any{"bytes": data, "p": "abcdefghijk"}))
}

func (bedrock) failure(*exchange) []byte {
	return awsMessage("exception", ":exception-type", "serviceUnavailableException", marshal(map[string]string{"message": "Bedrock is unable to process your request."}))
}

// awsMessage is a message of an event stream.
func awsMessage(kind, typeHeader, name string, payload []byte) []byte {
	var m eventstream.Message
	m.Headers.Set(typeHeader, eventstream.StringValue(name))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	m.Headers.Set(":message-type", eventstream.StringValue(kind))
	m.Payload = payload
	var framed bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&framed, m); err != nil {
		panic(err) // a mistake in this package
	}
	return framed.Bytes()
}
