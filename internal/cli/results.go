package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// saveResults writes all results of a batch to a file, which appears when it is whole; "-" is standard output.
func (s *session) saveResults(ctx context.Context, c *client, id, file string) error {
	b, err := c.batch(ctx, id)
	if err != nil {
		return err
	}
	if err := s.readable(&b); err != nil {
		return err
	}
	if file == "-" {
		return c.results(ctx, &b, s.Out)
	}
	if err := replace(file, func(w io.Writer) error { return c.results(ctx, &b, w) }); err != nil {
		return err
	}
	s.say("%s holds the results of %s.", file, items(b.Counts.Total))
	return nil
}

// readable explains why a batch has no results.
func (s *session) readable(b *api.Batch) error {
	switch {
	case b.State != string(gateway.BatchEnded):
		return fmt.Errorf("the batch has not ended: %s of %s have. llmgw batch watch %s follows it", grouped(ended(b.Counts)), items(b.Counts.Total), b.ID)
	case b.End == string(gateway.BatchRefused):
		return fmt.Errorf("no item of the batch ran: its input cannot be used. llmgw batch show %s says why", b.ID)
	case b.ArchivedAt != nil:
		return fmt.Errorf("the results were deleted at %s, because they were old", s.moment(*b.ArchivedAt))
	}
	return nil
}

// results writes the results of a batch that has ended. They do not change any more, so that what a broken connection
// left out can be asked for again. Fewer lines than the batch has items are an error.
func (c *client) results(ctx context.Context, b *api.Batch, w io.Writer) error {
	out := &lines{w: w}
	for attempt := 1; ; attempt++ {
		before := out.n
		err := c.resultsFrom(ctx, b.ID, out)
		if err == nil {
			break
		}
		if out.n > before {
			attempt = 1
		}
		pause, again := retry(err, attempt)
		if !again || ctx.Err() != nil {
			return out.explain(err)
		}
		c.say("%v. Going on in %s.", err, period(pause))
		if err := c.sleep(ctx, pause); err != nil {
			return err
		}
	}
	if want := ended(b.Counts); out.lines != want {
		return fmt.Errorf("the gateway sent the results of %s, but the batch has %s. Try again; if it stays, tell its operator", items(out.lines), grouped(want))
	}
	return nil
}

// resultsFrom reads the results from their beginning, and writes what out does not have yet.
func (c *client) resultsFrom(ctx context.Context, id string, out *lines) error {
	res, err := c.once(ctx, call{method: http.MethodGet, path: "/batches/" + url.PathEscape(id) + "/results"})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err = io.CopyN(io.Discard, res.Body, out.n); err == nil {
		_, err = io.Copy(out, res.Body)
	}
	if err == nil || out.failed != nil {
		return err
	}
	return c.notDone(ctx, err)
}

// lines counts what it hands on.
type lines struct {
	w      io.Writer
	n      int64
	lines  int
	failed error // of w
}

func (l *lines) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	l.n += int64(n)
	l.lines += bytes.Count(p[:n], []byte("\n"))
	l.failed = err
	return n, err
}

// explain tells how far the results came before an error.
func (l *lines) explain(err error) error {
	if l.n == 0 {
		return err
	}
	return fmt.Errorf("the results broke off after %s: %w", bytesOf(l.n), err)
}

// replace writes a file that is there when it is whole, and not before. What is no ordinary file, such as /dev/null, is
// written to directly.
func replace(path string, write func(io.Writer) error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error says what matters
	}
	return err
}
