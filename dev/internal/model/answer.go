package model

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// answer is what the model says, before it is put into the words of a dialect.
type answer struct {
	model     string
	thinking  []string // pieces; empty means no thinking
	signature string
	text      []string  // pieces
	tool      *toolCall // instead of text
	truncated bool      // max_tokens was reached
	usage     usage
}

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
	turn      turn
	tools     gjson.Result
	schema    gjson.Result // of the JSON that is wanted; may not exist
	thinking  bool
	maxTokens int // 0 means no limit
}

// compose decides what to answer.
func (m *Model) compose(x *exchange, q ask) answer {
	a := answer{model: q.model, usage: x.inputUsage()}
	if q.thinking {
		a.thinking = []string{"Let me think", " about what", " the user said."}
		a.signature = x.signature()
	}
	call, wanted := toolCall{}, false
	if q.tools.Exists() && !q.turn.hasResult {
		call, wanted = m.wantedTool(q.turn.text)
	}
	switch {
	case q.schema.Exists():
		a.text = split(string(example(q.schema, "title", q.turn.text)))
	case wanted && offers(q.tools, call.name):
		a.tool = &call
	case wanted:
		a.text = split(fmt.Sprintf("There is no tool %s.", call.name))
	case q.turn.hasResult:
		a.text = x.switches.fit(fmt.Sprintf("The tool answered: %s", clip(q.turn.toolResult, resultLimit)))
	default:
		a.text = x.switches.fit(fmt.Sprintf("This is %s. You said: %s", q.model, clip(q.turn.text, echoLimit)))
	}
	if q.maxTokens > 0 && len(a.text) > q.maxTokens {
		a.text, a.truncated = a.text[:q.maxTokens], true
	}
	a.usage.output = max(1, len(a.thinking)+len(a.text))
	if a.tool != nil {
		a.usage.output = len(a.thinking) + len(split(a.tool.arguments))
	}
	return a
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
