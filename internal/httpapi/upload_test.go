package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// sink is a store that counts what it is given and keeps nothing. It watches how much memory is in use.
type sink struct {
	BatchStore
	items, chunks, discarded atomic.Int64
	peak                     uint64
}

func (s *sink) CreateBatch(context.Context, *gateway.Batch) error { return nil }

func (s *sink) AddItems(_ context.Context, items []gateway.Item) error {
	if s.items.Add(int64(len(items)))%5000 == 0 {
		s.measure()
	}
	return nil
}

func (s *sink) AcceptBatch(context.Context, uuid.UUID, int, []byte) error { return nil }

func (s *sink) CreateFile(context.Context, *gateway.File) error { return nil }

func (s *sink) AddFileChunk(context.Context, uuid.UUID, int, gateway.Body) error {
	if s.chunks.Add(1)%100 == 0 {
		s.measure()
	}
	return nil
}

func (s *sink) FinishFile(context.Context, uuid.UUID, int64) error { return nil }

func (s *sink) DiscardBatch(context.Context, uuid.UUID) error { s.discarded.Add(1); return nil }

func (s *sink) DiscardFile(context.Context, uuid.UUID) error { s.discarded.Add(1); return nil }

func (s *sink) measure() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	s.peak = max(s.peak, m.HeapAlloc)
}

// writeMessages writes an Anthropic batch of n items of some 3 KB.
func writeMessages(w io.Writer, n int) error {
	prompt := strings.Repeat("All work and no play makes Jack a dull boy. ", 68)
	_, err := io.WriteString(w, `{"requests":[`)
	for i := 0; i < n && err == nil; i++ {
		comma := ","
		if i == 0 {
			comma = ""
		}
		_, err = fmt.Fprintf(w, `%s{"custom_id":"item-%d","params":{"model":"claude-haiku-5-5","max_tokens":9,"messages":[{"role":"user","content":"%d %s"}]}}`, comma, i, i, prompt)
	}
	if err == nil {
		_, err = io.WriteString(w, `]}`)
	}
	return err
}

const boundary = "a-line-that-is-not-in-the-file"

// writeForm writes the form of a file of n lines of some 3 KB.
func writeForm(w io.Writer, n int) error {
	line := `{"custom_id":"a","body":"` + strings.Repeat("All work and no play makes Jack a dull boy. ", 68) + "\"}\n"
	_, err := io.WriteString(w, "--"+boundary+"\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n")
	for i := 0; i < n && err == nil; i++ {
		_, err = io.WriteString(w, line)
	}
	if err == nil {
		_, err = io.WriteString(w, "\r\n--"+boundary+"\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--"+boundary+"--\r\n")
	}
	return err
}

// uploads are the two long bodies.
func uploads() map[string]struct {
	path, kind string
	write      func(io.Writer, int) error
} {
	return map[string]struct {
		path, kind string
		write      func(io.Writer, int) error
	}{
		"an Anthropic batch": {"/v1/messages/batches", "application/json", writeMessages},
		"an OpenAI file":     {"/v1/files", "multipart/form-data; boundary=" + boundary, writeForm},
	}
}

// huge is the number of items or lines of a body of more than 300 MB.
const huge = 100_000

// piped is a request whose body is what write writes, as a client of Go sends what it does not know the length of.
func (w *world) piped(path, kind string, write func(io.Writer) error) *http.Request {
	w.t.Helper()
	from, to := io.Pipe()
	go func() {
		buffered := bufio.NewWriterSize(to, 64<<10)
		err := write(buffered)
		if err == nil {
			err = buffered.Flush()
		}
		_ = to.CloseWithError(err)
	}()
	req := w.request(http.MethodPost, path, "", "Content-Type", kind)
	req.Body, req.ContentLength = from, -1
	return req
}

func TestAnUploadOf300MBTakesLittleMemory(t *testing.T) {
	for name, c := range uploads() {
		t.Run(name, func(t *testing.T) {
			store := &sink{}
			w := newWorld(t, nil, withBatches(t, store, func(b *Batches) { b.Config.MaxBytes, b.Config.MaxFile = 1<<30, 1<<30 }))
			store.measure()
			before := store.peak
			res := w.do(w.piped(c.path, c.kind, func(to io.Writer) error { return c.write(to, huge) }))
			if object := decoded(t, res.Body); res.StatusCode != http.StatusOK || object["id"] == nil {
				t.Fatalf("%d %v", res.StatusCode, object)
			}
			if took := (store.peak - before) >> 20; took > 32 {
				t.Errorf("it took %d MB of memory", took)
			}
			if items, chunks := store.items.Load(), store.chunks.Load(); items != huge && chunks*fileChunk < 300e6 {
				t.Errorf("%d items, %d chunks", items, chunks)
			}
			if n := store.discarded.Load(); n != 0 {
				t.Errorf("%d discarded", n)
			}
		})
	}
}

// tooMany items or lines are 48 MB.
const tooMany = 16_000

func TestAClientThatSendsTooMuchSeesWhy(t *testing.T) {
	for name, c := range uploads() {
		store := &sink{}
		w := newWorld(t, nil, withBatches(t, store, func(b *Batches) { b.Config.MaxBytes, b.Config.MaxFile = 32<<20, 32<<20 }))
		refused := func(t *testing.T, res *http.Response, kept int64) {
			t.Helper()
			object := decoded(t, res.Body)
			if res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(told(object), "larger than this gateway takes (32 MB)") || res.Header.Get("X-Should-Retry") != "false" || !res.Close {
				t.Errorf("%d %v, closed %v", res.StatusCode, object, res.Close)
			}
			if n := store.discarded.Swap(0); n != kept {
				t.Errorf("%d discarded", n)
			}
		}
		t.Run(name+" of unknown length", func(t *testing.T) {
			refused(t, w.do(w.piped(c.path, c.kind, func(to io.Writer) error { return c.write(to, tooMany) })), 1)
		})
		t.Run(name+" that says its length", func(t *testing.T) {
			req := w.piped(c.path, c.kind, func(to io.Writer) error { return c.write(to, huge) })
			req.ContentLength = 310 << 20
			refused(t, w.do(req), 0)
		})
		t.Run(name+" from a client that does not look before it has sent all", func(t *testing.T) {
			conn := w.dial(t)
			_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tok-pro\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", c.path, c.kind)
			if err != nil {
				t.Fatal(err)
			}
			body := bufio.NewWriterSize(writeFunc(func(p []byte) error {
				_, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", len(p), p)
				return err
			}), 64<<10)
			if err := errors.Join(c.write(body, tooMany), body.Flush()); err != nil {
				t.Fatalf("it could not send all: %v", err)
			}
			if _, err := io.WriteString(conn, "0\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			refused(t, res, 1)
		})
	}
}

func (w *world) dial(t *testing.T) net.Conn {
	t.Helper()
	u, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestWhatAClientLeavesHalfSentIsNotKept(t *testing.T) {
	for name, c := range uploads() {
		for how, goes := range map[string]bool{"the client goes away": true, "the client sends nothing any longer": false} {
			t.Run(name+": "+how, func(t *testing.T) {
				w := newBatchWorld(t, func(b *Batches) {
					if !goes {
						b.Config.UploadIdle = 200 * time.Millisecond
					}
				})
				discarded := make(chan uuid.UUID, 1)
				w.faults.discard = func(id uuid.UUID) { discarded <- id }
				from, to := io.Pipe()
				req := w.request(http.MethodPost, c.path, "", "Content-Type", c.kind)
				req.Body, req.ContentLength = from, -1
				type result struct {
					res *http.Response
					err error
				}
				answered := make(chan result, 1)
				go func() {
					res, err := w.Client().Do(req)
					answered <- result{res, err}
				}()
				var body strings.Builder
				if err := c.write(&body, 1000); err != nil {
					t.Fatal(err)
				}
				_, err := io.WriteString(to, body.String()[:body.Len()/2])
				if goes && err != nil { // the other may have been too slow already
					t.Fatal(err)
				}
				if goes {
					_ = to.CloseWithError(errors.New("gone"))
				}
				eventually(t, "it was discarded", discarded)
				w.nothingIsKept(t)
				got := eventually(t, "it was answered", answered)
				if goes {
					return
				}
				if got.err != nil {
					t.Fatal(got.err)
				}
				defer got.res.Body.Close()
				object := decoded(t, got.res.Body)
				if got.res.StatusCode != http.StatusBadRequest || told(object) != "The upload was given up: nothing came for 200ms. Nothing of it was kept. Send it again." {
					t.Errorf("%d %v", got.res.StatusCode, object)
				}
				_ = to.Close()
			})
		}
	}
}

func TestAMistakeIsToldBeforeTheRestIsSent(t *testing.T) {
	store := &sink{}
	w := newWorld(t, nil, withBatches(t, store))
	conn := w.dial(t)
	_, err := io.WriteString(conn, "POST /v1/messages/batches HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tok-pro\r\nContent-Length: 1000\r\n\r\n"+`{"requests":[{"custom_id":"no name"},`)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan *http.Response, 1)
	go func() {
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Error(err)
		}
		answered <- res
	}()
	res := eventually(t, "it was answered", answered)
	defer res.Body.Close()
	if object := decoded(t, res.Body); res.StatusCode != http.StatusBadRequest || !res.Close || !strings.Contains(told(object), "requests.0.custom_id") || store.discarded.Load() != 1 {
		t.Errorf("%d %v", res.StatusCode, object)
	}
}

// clock is a connection that notes its read deadline, and a body each of whose bytes takes its time.
type clock struct {
	http.ResponseWriter
	each     time.Duration
	left     int
	deadline time.Time
	late     bool
}

func (c *clock) SetReadDeadline(t time.Time) error { c.deadline = t; return nil }

func (c *clock) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(c.each)
	c.late = c.late || time.Now().After(c.deadline)
	c.left--
	p[0] = 'x'
	return 1, nil
}

func TestAnUploadMayTakeLongWhileSomethingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := &clock{each: 59 * time.Second, left: 1000}
		u := &upload{body: conn, conn: http.NewResponseController(conn), idle: time.Minute, limit: 1000, over: errors.New("over")}
		if text, err := io.ReadAll(u); err != nil || len(text) != 1000 || conn.late {
			t.Errorf("%d bytes, %v, late %v", len(text), err, conn.late)
		}
		u.done()
		if !conn.deadline.IsZero() {
			t.Error("the deadline is left for what comes after the body")
		}
		conn.left, conn.each = 1, 61*time.Second
		if _, err := u.Read(make([]byte, 10)); err == nil || !conn.late {
			t.Errorf("%v: it must not pass the limit, and its deadline is a minute away", err)
		}
	})
}
