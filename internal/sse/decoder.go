package sse

import (
	"bytes"
	"errors"
	"iter"
)

// maxEvent bounds the memory that one event may take.
const maxEvent = 16 << 20

// ErrTooLong is a stream with an event that is larger than any service sends.
var ErrTooLong = errors.New("an event of the stream is larger than 16 MB")

// Event is one event of a stream.
type Event struct {
	Name string // of the event field; "" if it has none
	Data []byte // of the data fields, joined by line feeds; nil if it has none
}

// Decoder cuts a stream into events as its bytes arrive, however they are cut. The zero Decoder is at the start of
// a stream. A Decoder belongs to one stream and one goroutine.
type Decoder struct {
	line []byte // the unfinished line
	name string
	last string // the name before: most events have the same
	data []byte
	some bool // the event has a data field
	err  error
}

// Feed takes the next bytes of the stream and yields every event that they complete. An event's Data is valid until
// the next event is asked for. The caller takes all of them, or gives the stream up. The error comes last and is
// final: later calls yield it again.
func (d *Decoder) Feed(p []byte) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for d.err == nil {
			end := bytes.IndexByte(p, '\n')
			if end < 0 {
				d.line = append(d.line, p...)
				d.bound()
				break
			}
			line := p[:end]
			if len(d.line) > 0 {
				d.line = append(d.line, line...)
				line = d.line
			}
			complete := d.take(bytes.TrimSuffix(line, []byte("\r")))
			d.line, p = d.line[:0], p[end+1:]
			d.bound()
			if !complete || d.err != nil {
				continue
			}
			event := Event{Name: d.name}
			if d.some {
				event.Data = d.data
			}
			more := yield(event, nil)
			d.name, d.data, d.some = "", d.data[:0], false
			if !more {
				return
			}
		}
		if d.err != nil {
			yield(Event{}, d.err)
		}
	}
}

// Pending reports whether the bytes so far end in the midst of an event: a stream that ends here was cut.
func (d *Decoder) Pending() bool { return len(d.line) > 0 || d.some || d.name != "" }

func (d *Decoder) bound() {
	if len(d.line)+len(d.data) > maxEvent {
		d.err = ErrTooLong
	}
}

// take reads one line and reports whether it completes an event.
func (d *Decoder) take(line []byte) bool {
	if len(line) == 0 {
		return d.some || d.name != ""
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "data":
		if d.some {
			d.data = append(d.data, '\n')
		}
		d.data, d.some = append(d.data, value...), true
	case "event":
		if string(value) != d.last {
			d.last = string(value)
		}
		d.name = d.last
	}
	return false // comments begin with a colon: their field is empty
}
