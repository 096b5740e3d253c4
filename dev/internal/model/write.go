package model

import (
	"net/http"
	"strconv"
)

// stream writes the events of one answer, each flushed at once, and applies the
// switches that count them.
type stream struct {
	*exchange
	flusher http.Flusher
	events  int
	bytes   int
}

// openStream sends the headers of a stream.
func (x *exchange) openStream() (*stream, error) {
	header := x.w.Header()
	header.Set("content-type", x.dialect.contentType())
	header.Set("cache-control", "no-cache")
	x.w.WriteHeader(http.StatusOK)
	flusher, ok := x.w.(http.Flusher)
	if !ok {
		return nil, errInjected // not a server's response writer
	}
	flusher.Flush()
	return &stream{exchange: x, flusher: flusher}, nil
}

// garbage is neither an event nor JSON nor UTF-8.
const garbage = "\x00\xff\xfe<html>502 Bad Gateway</html>{\"type\":\n\n"

// send writes one server-sent event, which includes its closing empty line, in
// the framing of the dialect.
func (s *stream) send(event []byte) error {
	event = s.dialect.frame(event)
	if len(event) == 0 {
		return nil
	}
	switch s.events {
	case s.switches.Stall:
		<-s.r.Context().Done()
		return errClientLeft
	case s.switches.Error:
		if err := s.write(s.dialect.failure(s.exchange)); err != nil {
			return err
		}
		return errInjected
	case s.switches.Garbage:
		if err := s.write([]byte(garbage)); err != nil {
			return err
		}
	}
	if s.events > 0 {
		if err := s.sleep(s.switches.Gap); err != nil {
			return err
		}
	}
	s.events++
	return s.write(event)
}

// write sends bytes up to where the connection is to be cut.
func (s *stream) write(content []byte) error {
	cut := s.switches.Cut != off && s.bytes+len(content) >= s.switches.Cut
	if cut {
		content = content[:s.switches.Cut-s.bytes]
	}
	s.bytes += len(content)
	if _, err := s.w.Write(content); err != nil {
		return errClientLeft
	}
	s.flusher.Flush()
	if cut {
		return errCut
	}
	return nil
}

// writeJSON sends a complete answer.
func (x *exchange) writeJSON(content []byte) error {
	return x.writeWhole("application/json", content)
}

// writeWhole sends a complete answer of a type. It has no events to count: a stall begins
// after the headers, garbage replaces the body, and there is no error event, so
// that a client which asks again without streaming succeeds.
func (x *exchange) writeWhole(contentType string, content []byte) error {
	if x.switches.Garbage != off {
		content = []byte(garbage)
	}
	header := x.w.Header()
	header.Set("content-type", contentType)
	header.Set("content-length", strconv.Itoa(len(content)))
	cut := x.switches.Cut != off && x.switches.Cut < len(content)
	if cut {
		content = content[:x.switches.Cut]
	}
	if x.switches.Stall != off {
		content = nil
	}
	x.w.WriteHeader(http.StatusOK)
	if _, err := x.w.Write(content); err != nil {
		return errClientLeft
	}
	if cut || x.switches.Stall != off {
		if flusher, ok := x.w.(http.Flusher); ok {
			flusher.Flush()
		}
	}
	if cut {
		return errCut
	}
	if x.switches.Stall != off {
		<-x.r.Context().Done()
		return errClientLeft
	}
	return nil
}

// concat joins strings into bytes.
func concat(parts ...string) []byte {
	n := 0
	for _, part := range parts {
		n += len(part)
	}
	joined := make([]byte, 0, n)
	for _, part := range parts {
		joined = append(joined, part...)
	}
	return joined
}
