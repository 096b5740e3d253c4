package translate

import (
	"math"
	"strconv"
	"strings"
)

// claude is what a model's name says of the model: generations differ in what they refuse.
type claude struct {
	version    int  // 405 for 4.5; newest where a Claude's name has none; 0 for another model, which is taken to follow the dialect
	mustReason bool // it cannot be told not to
}

const newest = math.MaxInt

// parseClaude reads names in all the forms that services give them: "claude-opus-4-6",
// "claude-3-7-sonnet-20250219", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-opus-4-5@20251101".
func parseClaude(model string) claude {
	name := strings.ToLower(model)
	_, rest, ok := strings.Cut(name, "claude")
	if !ok {
		return claude{}
	}
	version, parts := 0, 0
	for word := range strings.FieldsFuncSeq(rest, func(r rune) bool { return strings.ContainsRune("-.:@/_", r) }) {
		number, err := strconv.Atoi(word)
		if isPart := err == nil && len(word) <= 2 && parts < 2; isPart {
			version = version*100 + number
			parts++
		} else if parts > 0 { // a date, a revision, or the family behind the version: "3-opus"
			break
		}
	}
	switch parts {
	case 0:
		version = newest
	case 1:
		version *= 100
	}
	return claude{version: version, mustReason: strings.Contains(rest, "fable") || strings.Contains(rest, "mythos")}
}

// isOther reports that the model is no Claude.
func (c claude) isOther() bool { return c.version == 0 }

// reasons reports whether the model can think before it answers.
func (c claude) reasons() bool { return c.isOther() || c.version >= 307 }

// adapts reports whether the model decides by itself how much to think, led by an effort. Those before must be given a
// budget of tokens, which those behind 4.6 refuse.
func (c claude) adapts() bool { return c.isOther() || c.version >= 406 }

// samples reports whether the model takes temperature and top_p.
func (c claude) samples() bool { return c.version <= 406 }

// knowsXHigh reports whether the model has an effort between high and max.
func (c claude) knowsXHigh() bool { return c.isOther() || c.version >= 407 }

// isStrict reports whether the model can be held to the schema of a tool.
func (c claude) isStrict() bool { return c.isOther() || c.version >= 405 }

// defaultLimit is the length of an answer, in tokens, where neither the client nor the operator names one. What the
// model thinks counts towards it, and Claude thinks unasked from 5 on; models before 4, and those that are no Claude, may
// not take more than the lesser one.
func (c claude) defaultLimit() int64 {
	if c.version >= 400 {
		return 16384
	}
	return 4096
}
