package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/translate"
)

// submission is a batch on its way from a file to the gateway.
type submission struct {
	in       *input
	endpoint gateway.Endpoint // of the batch
	model    string           // that all items ask for; "" leaves them theirs

	items int   // how many there are
	size  int64 // of what write writes, in bytes
}

// newSubmission decides what a file is submitted as. The empty string leaves each of these to the file.
func newSubmission(in *input, dialect, endpoint, model string) (*submission, error) {
	b := &submission{in: in, endpoint: in.endpoint, model: model}
	if own := in.endpoint.Path(); endpoint != "" && endpoint != own {
		return nil, &inputError{fmt.Sprintf("%s is for %s, not for %s", in.name, own, endpoint)}
	}
	switch gateway.Dialect(dialect) {
	case "", in.endpoint.Dialect():
	case gateway.Anthropic, gateway.OpenAI:
		counterpart, ok := in.endpoint.In(gateway.Dialect(dialect))
		if !ok {
			return nil, &inputError{fmt.Sprintf("--as %s: %s has no counterpart there", dialect, in.endpoint.Path())}
		}
		b.endpoint = counterpart
	default:
		return nil, fmt.Errorf("--as is %q; it must be anthropic or openai", dialect)
	}
	return b, nil
}

// check reads the whole file, so that nothing is sent of one with a mistake in it, and sets items and size.
func (b *submission) check() error {
	counter := &counter{w: io.Discard, most: math.MaxInt64}
	items, err := b.write(counter)
	b.items, b.size = items, counter.n
	return err
}

// open starts the batch from its beginning, in the form in which it is uploaded.
func (b *submission) open() io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		buffered := bufio.NewWriterSize(w, 256<<10)
		counter := &counter{w: buffered, most: b.size}
		_, err := b.write(counter)
		if err == nil && counter.n < b.size || errors.Is(err, errTooMuch) {
			err = &inputError{b.in.name + " has changed while it was sent. Submit it again"}
		}
		if err == nil {
			err = buffered.Flush()
		}
		w.CloseWithError(err) // without an error this is the end
	}()
	return r
}

// write writes the batch in its dialect: the body of a request of Anthropic's, or a file of OpenAI's. An error of the
// file lists its mistakes.
func (b *submission) write(w io.Writer) (items int, err error) {
	head, between, tail := `{"requests":[`, ",", "]}"
	if b.endpoint.Dialect() == gateway.OpenAI {
		head, between, tail = "", "\n", "\n"
	}
	separator, wrong, places := head, mistakes{file: b.in.name}, map[string]int{}
	err = b.in.read(func(it item, fault error) error {
		if fault == nil {
			fault = b.prepare(&it, places)
		}
		if fault != nil {
			wrong.add(b.in.place(it.n), fault)
			return nil
		}
		items++
		_, err := io.WriteString(w, separator)
		separator = between
		return errors.Join(err, b.writeItem(w, it))
	})
	if err != nil {
		return items, err
	}
	if err := wrong.err(); err != nil {
		return items, err
	}
	if items == 0 {
		return 0, &inputError{b.in.name + " has no items"}
	}
	_, err = io.WriteString(w, tail)
	return items, err
}

func (b *submission) writeItem(w io.Writer, it item) error {
	id, err := json.Marshal(it.customID)
	if err != nil {
		return err
	}
	format := `{"custom_id":%s,"params":%s}`
	if b.endpoint.Dialect() == gateway.OpenAI {
		format = `{"custom_id":%s,"method":"POST","url":"` + b.endpoint.Path() + `","body":%s}`
	}
	_, err = fmt.Fprintf(w, format, id, it.body)
	return err
}

// prepare makes an item what the batch has of it. places are those of the items before it, by their names.
func (b *submission) prepare(it *item, places map[string]int) error {
	if b.endpoint == gateway.Messages && !anthropic.IsCustomID(it.customID) {
		return fmt.Errorf("the custom_id %q must be 1 to 64 letters, digits, _ or -", it.customID)
	}
	if other, twice := places[it.customID]; twice {
		return fmt.Errorf("the custom_id %q is that of %s, too. Give each item its own", it.customID, b.in.place(other))
	}
	places[it.customID] = it.n
	var err error
	if b.model != "" {
		if it.body, err = sjson.SetBytes(it.body, "model", b.model); err != nil {
			return err
		}
	}
	model := gjson.GetBytes(it.body, "model")
	if model.Type != gjson.String || model.Str == "" {
		return errors.New("there is no model. Name one in each item, or give --model")
	}
	if b.endpoint != b.in.endpoint {
		if it.body, err = b.convert(it.body, model.Str); err != nil {
			return err
		}
	}
	if bytes.ContainsAny(it.body, "\r\n") { // a line has none; between the tokens of JSON they mean nothing
		var line bytes.Buffer
		err = json.Compact(&line, it.body)
		it.body = line.Bytes()
	}
	return err
}

// convert makes a body one of the other dialect, if all of it has a counterpart there.
func (b *submission) convert(body []byte, model string) ([]byte, error) {
	if b.endpoint == gateway.Messages && !gjson.GetBytes(body, "max_tokens").Exists() && !gjson.GetBytes(body, "max_completion_tokens").Exists() {
		return nil, errors.New("max_tokens: Anthropic's API wants a limit. Set one")
	}
	converted, err := translate.Request(b.in.endpoint.Dialect(), body, translate.Options{Model: model})
	if err != nil {
		return nil, errors.New(gateway.AsError(err).Message)
	}
	if len(converted.Dropped) > 0 {
		return nil, fmt.Errorf("%s: without a counterpart in the other dialect. Leave it out, or submit without --as: the gateway translates for the model that answers", strings.Join(converted.Dropped, ", "))
	}
	return converted.Body, nil
}

// errTooMuch is the error of a counter that may let no more pass.
var errTooMuch = errors.New("more than there was before")

// counter counts what passes.
type counter struct {
	w    io.Writer
	n    int64 // bytes so far
	most int64
}

func (c *counter) Write(p []byte) (int, error) {
	if c.n+int64(len(p)) > c.most {
		return 0, errTooMuch
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
