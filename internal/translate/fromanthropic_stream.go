package translate

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/openai"
	"github.com/openova-io/llm-gateway/internal/sse"
)

// messageStream turns the events of a Message into the chunks of a chat completion.
type messageStream struct {
	reply  Reply
	events sse.Decoder
	err    error // final

	head  []byte // of every chunk, up to its choices; nil before message_start
	tail  string // of a chunk with content
	open  []openBlock
	calls int // tools called so far
	usage messageUsage
	state streamState
}

type streamState int

const (
	running  streamState = iota
	finished             // the reason to stop was told
	stopped              // message_stop was told
)

func newFromAnthropic(reply Reply) Stream {
	s := &messageStream{reply: reply, usage: messageUsage{input: reply.InputTokens}, tail: "}],\"usage\":null}\n\n"}
	if !reply.IncludeUsage {
		s.tail = "}]}\n\n"
	}
	return s
}

func (s *messageStream) Next(dst, p []byte) ([]byte, error) {
	if s.err != nil {
		return dst, s.err
	}
	for event, err := range s.events.Feed(p) {
		if err != nil {
			s.err = failed("a stream that cannot be read", err)
			return dst, s.err
		}
		if event.Data == nil || s.state == stopped {
			continue
		}
		if dst, s.err = s.event(dst, view(event.Data)); s.err != nil {
			return dst, s.err
		}
	}
	return dst, nil
}

// event translates one event. Its data is read in place and not kept.
func (s *messageStream) event(dst []byte, data string) ([]byte, error) {
	event := gjson.Parse(data)
	if !isJSON(data) || !event.IsObject() {
		return dst, failed("an event is not a JSON object", nil)
	}
	kind := event.Get("type").Str
	switch kind {
	case "ping":
		return append(dst, openai.Ping()...), nil
	case "error":
		return dst, backendError(event.Get("error"))
	case "message_start":
		return s.start(dst, event.Get("message"))
	}
	isPart := strings.HasPrefix(kind, "content_block_") || strings.HasPrefix(kind, "message_")
	if !isPart {
		return dst, nil // clients of the Messages API are told to pass over events they do not know; Vertex begins with one
	}
	if s.head == nil {
		return dst, failed("it does not begin with message_start", nil)
	}
	index := event.Get("index").Int()
	switch kind {
	case "content_block_start":
		return s.startBlock(dst, index, event.Get("content_block"))
	case "content_block_delta":
		return s.delta(dst, index, event.Get("delta"))
	case "content_block_stop":
		return s.stopBlock(dst, index), nil
	case "message_delta":
		s.usage.merge(event.Get("usage"))
		return s.finish(dst, event.Get("delta"))
	case "message_stop":
		return s.stop(dst)
	}
	return dst, nil
}

func (s *messageStream) start(dst []byte, message gjson.Result) ([]byte, error) {
	if s.head != nil {
		return dst, failed("it begins twice", nil)
	}
	s.head = appendHead([]byte("data: "), message, s.reply, "chat.completion.chunk")
	s.usage.merge(message.Get("usage"))
	return s.appendChunk(dst, `"role":"assistant","content":"","refusal":null`, ""), nil
}

// finish tells why the answer ends. What a call was not given is an empty object, also where a backend forgot to stop
// its block.
func (s *messageStream) finish(dst []byte, delta gjson.Result) ([]byte, error) {
	reason := delta.Get("stop_reason").Str
	if reason == "" || s.state != running {
		return dst, nil
	}
	for len(s.open) > 0 {
		dst = s.stopBlock(dst, s.open[0].index)
	}
	s.state = finished
	dst = append(append(dst, s.head...), `{"index":0,"delta":{`...)
	if refusal := refusal(delta); refusal != "" {
		dst = append(append(dst, `"refusal":`...), refusal...)
	}
	dst = append(append(dst, `},"logprobs":null,"finish_reason":"`...), finishReason(reason)...)
	return append(append(dst, '"'), s.tail...), nil
}

// stop ends the stream. Nothing else does.
func (s *messageStream) stop(dst []byte) ([]byte, error) {
	if s.state != finished {
		return dst, failed("it ends without a reason to stop", nil)
	}
	s.state = stopped
	if s.reply.IncludeUsage {
		dst = append(append(dst, s.head...), `],"usage":`...)
		dst = append(s.usage.append(dst), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...), nil
}

// appendChunk writes a chunk whose delta has one member: its name, with what stands before it, and its value.
func (s *messageStream) appendChunk(dst []byte, name, value string) []byte {
	dst = append(append(dst, s.head...), `{"index":0,"delta":{`...)
	dst = append(append(dst, name...), value...)
	dst = append(dst, `},"logprobs":null,"finish_reason":null`...)
	return append(dst, s.tail...)
}

// appendCallChunk writes a chunk of a call's arguments, a JSON string.
func (s *messageStream) appendCallChunk(dst []byte, call int, arguments string) []byte {
	dst = append(append(dst, s.head...), `{"index":0,"delta":{"tool_calls":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(call), 10)
	dst = append(append(dst, `,"function":{"arguments":`...), arguments...)
	dst = append(dst, `}}]},"logprobs":null,"finish_reason":null`...)
	return append(dst, s.tail...)
}
