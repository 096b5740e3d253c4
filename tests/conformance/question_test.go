package conformance

// question is what a client asks, before it is put into the words of a dialect.
type question struct {
	system    string
	before    []string // earlier turns, the user's and the model's in turn
	text      string   // the user's last
	image     string   // base64 of a PNG, before the text
	tools     []string // names; each takes an object with any properties
	calls     []toolCall
	results   []string // of the calls, which the model made in answer to the text
	stop      string
	schema    string // of the JSON that is wanted
	think     bool
	maxTokens int // 1000 if 0
	stream    bool
	cached    bool // Anthropic: mark the system text for the prompt cache
	betas     string
	count     bool   // only the tokens are to be counted
	fields    string // more of the body, each with a comma before it
}

// toolCall is a call as a client sees it.
type toolCall struct {
	id, name, arguments string
}

// told is what a client has been told, in no dialect's words but for the stop reason.
type told struct {
	status     int
	retryAfter string
	id         string // the gateway's, of the request
	text       string
	thinking   string
	calls      []toolCall
	deltas     int    // pieces of text in a stream
	events     int    // of a stream
	stop       string // in the client's words
	usage      tokens
	whole      bool   // a client takes it as complete
	errorKind  string // of an error body or event; "" if there was none
	errorText  string
	torn       bool   // an event is cut off, by the end or by an error; official clients throw at that as well
	broken     error  // what was wrong with the form of the answer
	body       string // as it came
}

// tokens are a usage, without cached ones in input.
type tokens struct{ input, cacheRead, cacheWrite, output int }
