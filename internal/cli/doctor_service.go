package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/openai"
	"github.com/openova-io/llm-gateway/internal/sse"
)

// answer is a whole answer of the gateway's.
type answer struct {
	code   int
	status string // the code, in words
	id     string // of the request
	body   []byte
}

// said is what the gateway says of an error.
func (a answer) said() string {
	if text := gjson.GetBytes(a.body, "error.message").String(); text != "" {
		return text
	}
	return "something before the gateway answers " + a.status
}

// refused is the check that an error of the gateway's makes.
func (a answer) refused() check {
	return fault("refused", a.said(), "If it stays, tell the operator of the gateway the id of the request: "+a.id)
}

// ask makes a call with the caller's token. A check says that no gateway answered.
func (e *examination) ask(ctx context.Context, path string) (answer, *check) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	token, err := e.token.read(ctx)
	if err != nil {
		return answer{}, new(noToken(err))
	}
	res, err := e.get(ctx, path, token)
	if err != nil {
		return answer{}, new(e.noConnection(err))
	}
	return e.whole(res)
}

// whole reads an answer to its end.
func (*examination) whole(res *http.Response) (answer, *check) {
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxSmall))
	if err != nil {
		return answer{}, new(fault("broken_answer", "the answer broke off: "+err.Error(), "Try again; if it stays, something between here and the gateway cuts connections"))
	}
	if found, ok := between(res, body); !ok {
		return answer{}, &found
	}
	return answer{res.StatusCode, res.Status, res.Header.Get("Request-Id"), body}, nil
}

// read asks for a JSON object.
func (e *examination) read(ctx context.Context, path string, v any) *check {
	a, c := e.ask(ctx, path)
	switch {
	case c != nil:
		return c
	case a.code != http.StatusOK:
		return new(a.refused())
	case json.Unmarshal(a.body, v) != nil:
		return new(fault("wrong_url", path+" answers something else than a gateway does", "Is the gateway of another version? Get its llmgw"))
	}
	return nil
}

// checkModels looks what the subscription has.
func (e *examination) checkModels(ctx context.Context) check {
	var list openai.ModelList
	if c := e.read(ctx, "/v1/models", &list); c != nil {
		return *c
	}
	var names []string
	for _, m := range list.Data {
		names = append(names, m.ID)
	}
	if len(names) == 0 {
		return fault("no_models", fmt.Sprintf("the tier %s has no models", e.who.Tier), "Ask the operator of the gateway")
	}
	e.model = names[0]
	return good("%d for the tier %s: %s", len(names), e.who.Tier, strings.Join(names, ", "))
}

// checkQuota looks what is left.
func (e *examination) checkQuota(ctx context.Context) check {
	var q api.Quota
	if c := e.read(ctx, "/quota", &q); c != nil {
		return *c
	}
	var left []string
	for i := range q.Limits {
		l := &q.Limits[i]
		if l.Remaining <= 0 {
			e.spent = true
			return fault("quota_spent", fmt.Sprintf("%s: all %s are used", limitName(l), grouped(l.Limit)), "Wait: "+e.reset(l)+". Or ask the operator of the gateway for more")
		}
		left = append(left, fmt.Sprintf("%s %s of %s", limitName(l), grouped(l.Remaining), grouped(l.Limit)))
	}
	if len(left) == 0 {
		return good("no limits")
	}
	return good("left: %s", strings.Join(left, ", "))
}

// checkRequest sends a small request.
func (e *examination) checkRequest(ctx context.Context) check {
	if e.model == "" || e.spent {
		return skipped("there is no model, or no quota for it")
	}
	text, err := json.Marshal(map[string]any{
		"model": e.model, "max_tokens": 16, "messages": []map[string]string{{"role": "user", "content": "Say: ok"}},
	})
	if err != nil {
		return fault("refused", err.Error(), "")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*doctorTimeout)
	defer cancel()
	token, err := e.token.read(ctx)
	if err != nil {
		return noToken(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.address.base+"/v1/messages", bytes.NewReader(text))
	if err != nil {
		return e.noConnection(err)
	}
	req.Header = http.Header{
		"Authorization": {"Bearer " + token}, "Anthropic-Version": {apiVersion}, "Content-Type": {"application/json"}, "User-Agent": {"llmgw"},
	}
	begin := e.Now()
	res, err := e.http.Do(req)
	if err != nil {
		return e.noConnection(err)
	}
	a, c := e.whole(res)
	switch {
	case c != nil:
		return *c
	case a.code != http.StatusOK:
		return a.refused()
	}
	return good("%s answers after %d ms (request %s)", gjson.GetBytes(a.body, "model"), e.Now().Sub(begin).Milliseconds(), a.id)
}

// checkStreaming looks whether events arrive one by one, as they are sent.
func (e *examination) checkStreaming(ctx context.Context) check {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	token, err := e.token.read(ctx)
	if err != nil {
		return noToken(err)
	}
	res, err := e.get(ctx, "/api/doctor/stream", token)
	if err != nil {
		return e.noConnection(err)
	}
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		a, c := e.whole(res)
		if c != nil {
			return *c
		}
		return a.refused()
	}
	defer res.Body.Close()
	arrived, err := e.beats(res.Body)
	if err != nil {
		return fault("broken_stream", fmt.Sprintf("the stream broke off after %d of %d events: %v", len(arrived), api.Beats, err), cutAdvice)
	}
	return e.rhythm(arrived)
}

const cutAdvice = "Something between here and the gateway cuts streams. Tell whoever runs it, or the operator of the gateway"

// beats are the times at which the events of a stream arrived.
func (e *examination) beats(stream io.Reader) (arrived []time.Time, err error) {
	var d sse.Decoder
	buf := make([]byte, 4096)
	for {
		n, err := stream.Read(buf)
		now := e.Now()
		for event, err := range d.Feed(buf[:n]) {
			if err != nil {
				return arrived, err
			}
			if event.Name == "beat" {
				arrived = append(arrived, now)
			}
		}
		if errors.Is(err, io.EOF) {
			return arrived, nil
		}
		if err != nil {
			return arrived, err
		}
	}
}

// rhythm judges when events arrived. What holds them back for more than half of the time that they were sent in collects
// them.
func (e *examination) rhythm(arrived []time.Time) check {
	if len(arrived) != api.Beats {
		return fault("broken_stream", fmt.Sprintf("%d of %d events arrived", len(arrived), api.Beats), cutAdvice)
	}
	sent, took := (api.Beats-1)*api.BeatInterval, arrived[api.Beats-1].Sub(arrived[0])
	if took < sent/2 {
		return fault("buffering", fmt.Sprintf("events that are sent over %d ms arrive within %d ms: something between here and the gateway buffers answers", sent.Milliseconds(), took.Milliseconds()),
			"Turn buffering and compression off there for text/event-stream (nginx: proxy_buffering off; and see what virus scanners and VPNs do)")
	}
	return good("events arrive as they are sent")
}
