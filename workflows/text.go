package workflows

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// The texts of a request in the Web UI. Temporal takes a summary of 400 bytes and details of 20,000.
const (
	maxName    = 40  // characters of a name in the summary
	maxSummary = 350 // bytes; quoting may add some
	maxCell    = 200 // characters of a cell in the details
)

// Summary is a request in one line:
//
//	petra (pro) · claude-opus-5-5 → claude-haiku-5-5 via anthropic · completed in 2.3 s · 1,234 in, 56 out
//	petra (pro) · claude-opus-5-5 via bedrock, 2 attempts · completed in 2.3 s · 1,234 in, 56 out
//	petra (pro) · claude-opus-5-5 via anthropic · streaming since 12:03:04Z
func Summary(e gateway.Entry) string {
	model := name(e.ModelRequested)
	if e.Target.Model != e.ModelRequested {
		model += " → " + name(e.Target.Model)
	}
	text := fmt.Sprintf("%s (%s) · %s via %s%s · ", name(e.User), name(string(e.Tier)), model, name(e.Target.Backend), attempts(e.Attempts))
	if e.Status == gateway.Streaming {
		return oneLine(text + "streaming since " + clock(e.AdmittedAt))
	}
	text += fmt.Sprintf("%s in %s · %s in, %s out", e.Status, took(e.EndedAt.Sub(e.AdmittedAt)),
		grouped(e.Usage.Input+e.Usage.CacheRead+e.Usage.CacheWrite), grouped(e.Usage.Output))
	return oneLine(text)
}

// oneLine keeps a summary to what Temporal accepts. Only names in other scripts can make it that long.
func oneLine(s string) string {
	for n := maxSummary / 2; len(s) > maxSummary; n -= 10 {
		s = cut(s, n)
	}
	return s
}

// Details are a request as a markdown table.
func Details(e gateway.Entry) string {
	var b strings.Builder
	row := func(what, value string) {
		if value != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", what, cell(value))
		}
	}
	b.WriteString("| | |\n|---|---|\n")
	row("user", e.User+" ("+string(e.Tier)+")")
	row("endpoint", endpoint(e))
	row("model", e.ModelRequested)
	row("routed to", e.Target.Model+" via "+e.Target.Backend+attempts(e.Attempts))
	row("session", e.Session)
	row("admitted", stamp(e.AdmittedAt))
	row("status", string(e.Status))
	if e.Status == gateway.Streaming {
		return b.String()
	}
	row("HTTP status", httpStatus(e.HTTPStatus))
	row("error", e.Error)
	row("stop reason", e.StopReason)
	row("ended", stamp(e.EndedAt)+", after "+took(e.EndedAt.Sub(e.AdmittedAt)))
	row("tokens", tokens(e.Usage))
	row("cost", cost(e.Cost))
	row("charged", fmt.Sprintf("%s requests, %s tokens", grouped(e.Charge.Requests), grouped(e.Charge.Tokens)))
	row("quota window", stamp(e.Window.Start))
	return b.String()
}

func endpoint(e gateway.Entry) string {
	if e.Stream {
		return string(e.Endpoint) + ", streamed"
	}
	return string(e.Endpoint)
}

// attempts is said only of a request that was sent more than once.
func attempts(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(", %d attempts", n)
}

// cost is in units of the price list's currency; nothing where there was none.
func cost(c gateway.Cost) string {
	if c == 0 {
		return ""
	}
	return strconv.FormatFloat(c.Units(), 'f', -1, 64)
}

func tokens(u gateway.Usage) string {
	text := fmt.Sprintf("%s in, %s out; cache: %s read, %s written", grouped(u.Input), grouped(u.Output), grouped(u.CacheRead), grouped(u.CacheWrite))
	if u.Estimated {
		text += " (estimated)"
	}
	return text
}

func httpStatus(code int) string {
	if code == 0 {
		return "none: nothing was answered"
	}
	return strconv.Itoa(code)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
func clock(t time.Time) string { return t.UTC().Format("15:04:05Z") }

func took(d time.Duration) string {
	if d < 0 {
		d = 0 // the clocks of two machines may differ
	}
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}

// grouped writes 1234567 as "1,234,567".
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// name is a name from outside, kept to one short piece of a line.
func name(s string) string { return cut(plain(s), maxName) }

// cell is a text from outside, kept to its cell of a table.
func cell(s string) string { return cut(strings.ReplaceAll(plain(s), "|", `\|`), maxCell) }

// plain takes away what would break a line or act as markup.
func plain(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "`", "'", "<", "‹", ">", "›", "[", "(", "]", ")").Replace(s)
}
