package gateway

// Answer is what an answer, whole or streamed, says of itself.
type Answer struct {
	Usage      Usage
	HasUsage   bool
	StopReason string // in the words of its dialect
	ErrorType  string // of an error event or error body; "" if there was none
	Streamed   int64  // bytes of content that went by in a stream, for an estimate where the usage is missing
}
