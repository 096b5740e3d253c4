package backend

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// rawAnswer stands in the SDK's stack of middleware in place of what reads answers, and keeps the answer as it came.
type rawAnswer struct {
	result   any // what the SDK expects to be returned
	response *http.Response
}

// replaceDeserializer puts r into a stack.
func (r *rawAnswer) replaceDeserializer(stack *middleware.Stack) error {
	_, err := stack.Deserialize.Swap(r.ID(), r)
	if _, framed := stack.Deserialize.Get("OperationEventStreamDeserializer"); err == nil && framed {
		_, err = stack.Deserialize.Remove("OperationEventStreamDeserializer")
	}
	return err
}

// ID is the name of the middleware that r replaces.
func (*rawAnswer) ID() string { return "OperationDeserializer" }

// HandleDeserialize implements middleware.DeserializeMiddleware.
func (r *rawAnswer) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, metadata middleware.Metadata, err error,
) {
	out, metadata, err = next.HandleDeserialize(ctx, in)
	if res, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil {
		r.response = res.Response
	}
	out.Result = r.result
	return out, metadata, err
}

// frameReader tells a stream of AWS event frames as the Anthropic API's event stream, frame by frame as they come. It
// reads when it is read from, and has no goroutine. A stream that ends before message_stop was cut, however its
// connection was closed.
type frameReader struct {
	source  io.ReadCloser
	decoder *eventstream.Decoder
	payload []byte // of the last frame, to be used again
	chunk   []byte // decoded from it, likewise
	events  []byte // likewise
	unread  []byte // the end of events
	ended   bool   // the last event has come: message_stop or an error
	err     error
}

func newFrameReader(source io.ReadCloser) *frameReader {
	return &frameReader{source: source, decoder: eventstream.NewDecoder()}
}

// Close ends the stream.
func (r *frameReader) Close() error { return r.source.Close() }

// Read implements io.Reader. One call returns no more than one event.
func (r *frameReader) Read(p []byte) (int, error) {
	for len(r.unread) == 0 {
		if r.err == nil {
			r.err = r.next()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// next reads one frame. The decoder reports a frame that is cut in its payload as io.EOF, too.
func (r *frameReader) next() error {
	frame, err := r.decoder.Decode(r.source, r.payload)
	switch {
	case errors.Is(err, io.EOF) && r.ended:
		return io.EOF
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case err != nil:
		return fmt.Errorf("the event frames from Bedrock: %w", err)
	}
	r.payload = frame.Payload
	header := func(name string) string {
		if value := frame.Headers.Get(name); value != nil {
			return value.String()
		}
		return ""
	}
	switch header(eventstreamapi.MessageTypeHeader) {
	case eventstreamapi.EventMessageType:
		if header(eventstreamapi.EventTypeHeader) == "chunk" {
			return r.event()
		}
	case eventstreamapi.ExceptionMessageType:
		r.fail(readFailure(0, header(eventstreamapi.ExceptionTypeHeader), frame.Payload))
	case eventstreamapi.ErrorMessageType:
		r.fail(failure{name: header(eventstreamapi.ErrorCodeHeader), message: header(eventstreamapi.ErrorMessageHeader)})
	}
	return nil
}

// event tells the event that the present payload holds: {"bytes":"<base64 of the event's JSON>"}.
func (r *frameReader) event() error {
	encoded := gjson.GetBytes(r.payload, "bytes").Str
	chunk, err := base64.StdEncoding.AppendDecode(r.chunk[:0], []byte(encoded))
	if err != nil {
		return fmt.Errorf("an event frame from Bedrock: %w", err)
	}
	kind := gjson.GetBytes(chunk, "type").Str
	r.chunk, r.ended = chunk, r.ended || kind == "message_stop"
	r.events = append(append(r.events[:0], "event: "...), kind...)
	for line := range bytes.Lines(chunk) {
		r.events = append(append(r.events, "\ndata: "...), bytes.TrimRight(line, "\r\n")...)
	}
	r.events = append(r.events, "\n\n"...)
	r.unread = r.events
	return nil
}

// fail tells an error as the last event.
func (r *frameReader) fail(f failure) {
	r.unread = anthropic.ErrorEvent(&gateway.Error{Code: f.code(), Message: f.message}, "")
	r.ended = true
}
