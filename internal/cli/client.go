package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
)

const (
	maxAttempts  = 5               // of one call
	maxPause     = time.Minute     // a longer Retry-After is for the user to decide
	maxSmall     = 64 << 20        // bytes of an answer that is held in memory
	pauseAtFirst = 1 * time.Second // before the second attempt; doubles from there on
)

// client calls the gateway.
type client struct {
	http   *http.Client
	base   string // without /v1
	bearer func(context.Context) (string, error)
	sleep  func(context.Context, time.Duration) error
	say    func(format string, args ...any)
}

// call is a request that may be made several times.
type call struct {
	method, path string
	header       http.Header
	open         func() io.ReadCloser // the body from its beginning; nil if there is none
	size         int64                // of the body, in bytes
}

// do makes the call until it is answered, as often as that makes sense. The error of one that was answered and refused
// is a *refusal.
func (c *client) do(ctx context.Context, r call) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		res, err := c.once(ctx, r)
		if err == nil {
			return res, nil
		}
		pause, again := retry(err, attempt)
		if !again || ctx.Err() != nil {
			return nil, err
		}
		c.say("%v. Trying again in %s.", err, period(pause))
		if err := c.sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// retry tells whether a call that failed should be made again, and when.
func retry(err error, attempt int) (pause time.Duration, again bool) {
	pause = pauseAtFirst << (attempt - 1)
	if e, ok := errors.AsType[*refusal](err); ok {
		pause = max(pause, e.retryAfter)
	}
	return pause, transient(err) && attempt < maxAttempts && pause <= maxPause
}

// transient reports whether the same call may succeed later.
func transient(err error) bool {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.transient()
	}
	_, ok := errors.AsType[*unreachable](err)
	return ok
}

func (c *client) once(ctx context.Context, r call) (*http.Response, error) {
	token, err := c.bearer(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("User-Agent", "llmgw")
	if r.open != nil {
		req.Body, req.ContentLength = r.open(), r.size
		req.Header.Set("Expect", "100-continue") // whoever may not upload is told before
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.notDone(ctx, err)
	}
	if res.StatusCode/100 != 2 {
		return nil, refused(res)
	}
	return res, nil
}

// notDone explains why a call was not answered.
func (c *client) notDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", ctx.Err())
	}
	if e, ok := errors.AsType[*inputError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address, which is told below
	}
	return &unreachable{c.base, err}
}

// get reads a JSON answer into v.
func (c *client) get(ctx context.Context, path string, v any) error {
	return c.object(ctx, call{method: http.MethodGet, path: path}, v)
}

// object makes a call whose answer is one JSON object.
func (c *client) object(ctx context.Context, r call, v any) error {
	res, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxSmall))
	if err != nil {
		return c.notDone(ctx, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return errors.New(foreign(res, body) + ". llmgw doctor looks closer")
	}
	return nil
}

// batch is the batch as it is now.
func (c *client) batch(ctx context.Context, id string) (api.Batch, error) {
	var b api.Batch
	err := c.get(ctx, "/batches/"+url.PathEscape(id), &b)
	return b, err
}

// batches are the newest of the caller, at most limit, or all if that is 0.
func (c *client) batches(ctx context.Context, limit int) (api.BatchList, error) {
	found, more, err := newest(ctx, c, "/batches", url.Values{}, limit, func(b *api.Batch) string { return b.ID })
	return api.BatchList{Data: found, HasMore: more}, err
}

// newest are the first lines of a list, at most limit, or all if that is 0. It tells whether there are more.
func newest[T any](ctx context.Context, c *client, path string, query url.Values, limit int, id func(*T) string) (found []T, more bool, err error) {
	found = []T{}
	for {
		query.Set("limit", strconv.Itoa(pageSize(limit-len(found))))
		if n := len(found); n > 0 {
			query.Set("after", id(&found[n-1]))
		}
		var page struct {
			Data    []T  `json:"data"`
			HasMore bool `json:"has_more"`
		}
		if err := c.get(ctx, path+"?"+query.Encode(), &page); err != nil {
			return found, more, err
		}
		found, more = append(found, page.Data...), page.HasMore
		if !more || len(page.Data) == 0 || limit > 0 && len(found) >= limit {
			return found, more, nil
		}
	}
}

// pageSize is how many lines to ask for if so many are missing; below 1 is any number.
func pageSize(missing int) int {
	const most = 100
	if missing < 1 {
		return most
	}
	return min(missing, most)
}
