package model

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// answer is what the model says, before it is put into the words of a dialect.
type answer struct {
	model     string
	thinking  []string // pieces; empty means no thinking
	signature string
	text      []string   // pieces
	tools     []toolCall // instead of text
	end       ending
	stop      string // the stop sequence that was met
	usage     usage
}

// ending is why an answer ends.
type ending int

const (
	finished  ending = iota // it is complete
	toolUse                 // it waits for the results of its tools
	truncated               // max_tokens was reached
	stopped                 // a stop sequence was met
	refused                 // the model declines
)

// usage is in tokens. One piece of an answer is one token.
type usage struct {
	input, cacheCreation, cacheRead, output int
}

const (
	echoLimit   = 200 // characters of the user's text that are repeated
	resultLimit = 60  // characters of a tool result that are quoted
)

// ask is what the two dialects have in common in a request.
type ask struct {
	model     string
	tools     gjson.Result
	choice    gjson.Result // tool_choice; may not exist
	schema    gjson.Result // of the JSON that is wanted; may not exist
	stops     gjson.Result // a string or a list; may not exist
	thinking  bool
	maxTokens int // 0 means no limit
}

// refusal is how the model declines; refusalRequest is what makes it.
const (
	refusal        = "I am sorry, I cannot help with that."
	refusalRequest = "refuse to answer"
)

// compose decides what to answer, and puts on record what it takes.
func (m *Model) compose(x *exchange, q ask) answer {
	a := answer{model: q.model, usage: x.inputUsage()}
	if q.thinking {
		a.thinking = []string{"Let me think", " about what", " the user said."}
		a.signature = x.signature()
	}
	m.say(x, q, &a)
	a.obeyStops(q.stops)
	if q.maxTokens > 0 && len(a.text) > q.maxTokens {
		a.text, a.end, a.stop = a.text[:q.maxTokens], truncated, ""
	}
	a.usage.output = max(1, len(a.thinking)+len(a.text))
	if len(a.tools) > 0 {
		a.end = toolUse
		a.usage.output = len(a.thinking)
		for _, call := range a.tools {
			a.usage.output += len(split(call.arguments))
		}
	}
	x.note(http.StatusOK, a.usage)
	return a
}

// say chooses the content: text or tool calls.
func (m *Model) say(x *exchange, q ask, a *answer) {
	said := x.lastUserTurn()
	var calls []toolCall
	if q.tools.Exists() && len(said.results) == 0 {
		calls = m.wantedTools(said.text)
		if call, forced := forcedTool(q.choice, q.tools, said.text); forced && len(calls) == 0 {
			calls = []toolCall{call}
		}
	}
	missing := slices.IndexFunc(calls, func(call toolCall) bool { return !offers(q.tools, call.name) })
	switch {
	case strings.Contains(said.text, refusalRequest):
		a.text, a.end = split(refusal), refused
	case q.schema.Exists():
		a.text = split(string(example(q.schema, "title", said.text)))
	case missing >= 0:
		a.text = split(fmt.Sprintf("There is no tool %s.", calls[missing].name))
	case len(calls) > 0:
		a.tools = calls
	case len(said.results) > 0:
		a.text = x.switches.fit(fmt.Sprintf("The tool answered: %s", clip(strings.Join(said.results, ", "), resultLimit)))
	default:
		a.text = x.switches.fit(fmt.Sprintf("This is %s. You said: %s", q.model, clip(said.text, echoLimit)))
	}
}

// obeyStops ends the text before the first stop sequence in it.
func (a *answer) obeyStops(stops gjson.Result) {
	text, first := join(a.text), -1
	stops.ForEach(func(_, stop gjson.Result) bool { // a plain string counts as a list of one
		if at := strings.Index(text, stop.Str); at >= 0 && stop.Str != "" && (first < 0 || at < first) {
			first, a.stop = at, stop.Str
		}
		return true
	})
	if first >= 0 {
		a.text, a.end = split(text[:first]), stopped
	}
}

// inputUsage estimates the tokens of a request from its size. A request that
// asks for caching finds most of itself in the cache.
func (x *exchange) inputUsage() usage {
	total := estimateTokens(x.body)
	if !bytes.Contains(x.body, []byte(`"cache_control"`)) {
		return usage{input: total}
	}
	u := usage{cacheCreation: total / 8, cacheRead: total * 3 / 4}
	u.input = total - u.cacheCreation - u.cacheRead
	return u
}

// estimateTokens counts four bytes as a token.
func estimateTokens(body []byte) int { return max(1, len(body)/4) }

// fit turns a text into the pieces that the switches want.
func (s Switches) fit(text string) []string {
	if s.Body != off {
		return slice(pad(text, s.Body), s.Tokens)
	}
	pieces := split(text)
	if s.Tokens == off {
		return pieces
	}
	if s.Tokens < len(pieces) {
		return slice(text, s.Tokens)
	}
	words := filler()
	for i := len(pieces); i < s.Tokens; i++ {
		pieces = append(pieces, words[i%len(words)])
	}
	return pieces
}

// filler is what long answers are made of.
func filler() []string {
	return []string{" and", " so", " it", " goes", " on", " word", " by", " word", ","}
}

// pad brings a text to exactly n bytes.
func pad(text string, n int) string {
	if len(text) >= n {
		return strings.ToValidUTF8(text[:n], "?")
	}
	words := strings.Join(filler(), "")
	return text + strings.Repeat(words, (n-len(text))/len(words)+1)[:n-len(text)]
}

// wordsPerPiece is how many words a piece of a plain answer has.
const wordsPerPiece = 3

// split cuts a text into pieces of a few words, spaces kept.
func split(text string) []string {
	var pieces []string
	start, words := 0, 0
	for i := 1; i < len(text); i++ {
		if text[i] != ' ' || text[i-1] == ' ' {
			continue
		}
		if words++; words%wordsPerPiece == 0 {
			pieces = append(pieces, text[start:i])
			start = i
		}
	}
	return append(pieces, text[start:])
}

// slice cuts a text into n pieces of about the same size, between characters;
// off means one for every 32 bytes.
func slice(text string, n int) []string {
	if n == off {
		n = max(1, len(text)/32)
	}
	pieces := make([]string, 0, n)
	start := 0
	for i := 1; i <= n; i++ {
		end := len(text) * i / n
		for end < len(text) && end > start && !utf8.RuneStart(text[end]) {
			end--
		}
		pieces = append(pieces, text[start:end])
		start = end
	}
	return pieces
}

// clip shortens a text to n characters.
func clip(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
