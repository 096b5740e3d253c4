package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// maxItem is the greatest size of one item in a file, in bytes.
const maxItem = 64 << 20

// inputError is a fault of the user's file: no other attempt can succeed.
type inputError struct{ message string }

func (e *inputError) Error() string { return e.message }

// input is a file of items. It is read more than once, and never held in memory.
type input struct {
	name     string // as the user knows it
	path     string
	whole    bool             // one JSON object, {"requests": [...]}, and not an item in each line
	endpoint gateway.Endpoint // what the items say they are for
}

// item is one request of a batch.
type item struct {
	n        int // its place in the file: its line, from 1, or its number in the list, from 0
	customID string
	body     []byte // valid until the next is read
}

// openInput finds out what is in a file; "-" is standard input. What can be read only once is copied to a temporary
// file, which done removes.
func (s *session) openInput(ctx context.Context, name string) (in *input, done func(), err error) {
	in, done = &input{name: name, path: name}, func() {}
	source := s.In
	if name == "-" {
		in.name = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, done, err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return nil, done, err
		}
		if info.IsDir() {
			return nil, done, fmt.Errorf("%s is a directory", name)
		}
		if source = f; info.Mode().IsRegular() {
			source = nil
		}
	}
	if source != nil {
		if in.path, done, err = spool(ctx, source); err != nil {
			return nil, done, fmt.Errorf("%s: %w", in.name, err)
		}
	}
	if err := in.sniff(); err != nil {
		done()
		return nil, func() {}, err
	}
	return in, done, nil
}

// spool copies r to a temporary file.
func spool(ctx context.Context, r io.Reader) (path string, remove func(), err error) {
	f, err := os.CreateTemp("", "llmgw-*")
	if err != nil {
		return "", func() {}, err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(f, r)
		copied <- err
	}()
	select {
	case err = <-copied:
	case <-ctx.Done(): // a read from a terminal cannot be ended; the program will
		err = errors.New("interrupted; nothing was sent")
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", func() {}, err
	}
	return f.Name(), func() { _ = os.Remove(f.Name()) }, nil
}

// open starts the file from its beginning, behind the byte order mark that some editors write.
func (in *input) open() (*bufio.Reader, io.Closer, error) {
	f, err := os.Open(in.path)
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReaderSize(f, 256<<10)
	if mark, _ := r.Peek(3); string(mark) == "\xef\xbb\xbf" {
		_, _ = r.Discard(len(mark)) // cannot fail: it has been read
	}
	return r, f, nil
}

// sniff tells from the members of the first JSON object which kind of file it is.
func (in *input) sniff() error {
	r, f, err := in.open()
	if err != nil {
		return err
	}
	defer f.Close()
	first := json.NewDecoder(r)
	switch token, err := first.Token(); {
	case errors.Is(err, io.EOF):
		return &inputError{in.name + " is empty"}
	case err != nil || token != json.Delim('{'):
		return in.unknown("It does not begin with a JSON object.")
	}
	for first.More() {
		key, err := first.Token()
		if err != nil {
			return in.unknown("The first object is broken.")
		}
		switch key {
		case "requests":
			in.whole, in.endpoint = true, gateway.Messages
			return nil
		case "params":
			in.endpoint = gateway.Messages
			return nil
		}
		var value any
		if err := first.Decode(&value); err != nil {
			return in.unknown("The first object is broken.")
		}
		if path, ok := value.(string); ok && key == "url" {
			if in.endpoint, ok = openai.ParseEndpoint(path); !ok {
				return &inputError{fmt.Sprintf("%s: line 1: there are no batches for the url %q", in.name, path)}
			}
			return nil
		}
	}
	return in.unknown("The first object has neither params nor a url.")
}

func (in *input) unknown(what string) error {
	return &inputError{in.name + ` holds no batch. ` + what + ` Each line is one request, as
  {"custom_id": "1", "params": {"model": …, "max_tokens": …, "messages": […]}}  for Anthropic's API, or
  {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": …, "messages": […]}}  for OpenAI's;
or the file is one object, {"requests": [{"custom_id": …, "params": …}, …]}.`}
}

// place names the n of an item for people: "line 7".
func (in *input) place(n int) string {
	if in.whole {
		return fmt.Sprintf("requests.%d", n)
	}
	return fmt.Sprintf("line %d", n)
}

// read hands over each item in turn, or what is wrong with it: then only its n is set.
func (in *input) read(each func(it item, wrong error) error) error {
	r, f, err := in.open()
	if err != nil {
		return err
	}
	defer f.Close()
	if in.whole {
		return in.readWhole(r, each)
	}
	lines := openai.NewLines(maxItem, openai.Position{}, func(n int, line []byte) error {
		id, body, wrong := openai.ReadLine(line, in.endpoint)
		if wrong != nil {
			return each(item{n: n}, errors.New(wrong.Message))
		}
		return each(item{n, id, body}, nil)
	})
	if _, err = io.Copy(lines, r); err == nil {
		err = lines.Close()
	}
	if long, ok := errors.AsType[*openai.LineTooLong](err); ok {
		return &inputError{fmt.Sprintf("%s: %s: %s", in.name, in.place(long.Line), long.Message)}
	}
	return err
}

// readWhole reads one object with all items. The first that is wrong ends it: what comes behind it cannot be trusted.
func (in *input) readWhole(r io.Reader, each func(it item, wrong error) error) error {
	limits := anthropic.BatchLimits{Items: math.MaxInt, ItemBytes: maxItem}
	_, err := anthropic.ReadBatch(r, limits, func(n int, customID string, params []byte) error {
		return each(item{n, customID, params}, nil)
	})
	if e, ok := errors.AsType[*gateway.Error](err); ok {
		return &inputError{in.name + ": " + e.Message}
	}
	return err
}
