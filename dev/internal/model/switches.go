package model

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// off is the value of a counting switch that is not set; 0 is a count.
const off = -1

// Switches changes how a request is answered. N counts events of a stream, from
// 0: "stall=0" stalls right after the headers.
type Switches struct {
	Delay time.Duration // wait before the headers
	Gap   time.Duration // wait between events

	Tokens int // answer with exactly N pieces of text
	Body   int // answer with exactly N bytes of text

	Cut     int // abort the connection after N bytes of body
	Stall   int // after N events send nothing more, but stay connected
	Error   int // after N events send an error event and end the stream
	Garbage int // after N events send bytes that are no event, then go on

	Reasoning int // 1: think aloud in the OpenAI dialect, asked or not

	Status      int    // answer with this status and an error envelope
	StatusFirst int    // only the first K requests since the faults were set
	RetryAfter  int    // seconds, header of such an answer
	Message     string // message of such an answer
}

// noSwitches is the plain behaviour.
func noSwitches() Switches {
	return Switches{Tokens: off, Body: off, Cut: off, Stall: off, Error: off, Garbage: off, Reasoning: off, StatusFirst: off, RetryAfter: off}
}

// set changes one switch by its name.
func (s *Switches) set(name, value string) error {
	var err error
	switch name {
	case "delay":
		s.Delay, err = time.ParseDuration(value)
	case "gap":
		s.Gap, err = time.ParseDuration(value)
	case "message":
		s.Message = value
	default:
		target := s.counter(name)
		if target == nil {
			return fmt.Errorf("unknown switch %q, known are %s", name, strings.Join(switchNames(), ", "))
		}
		*target, err = strconv.Atoi(value)
	}
	if err != nil {
		return fmt.Errorf("switch %s=%q: %w", name, value, err)
	}
	return nil
}

// counter finds a numeric switch; nil if there is none of that name.
func (s *Switches) counter(name string) *int {
	return map[string]*int{
		"tokens": &s.Tokens, "body": &s.Body, "cut": &s.Cut, "stall": &s.Stall, "error": &s.Error,
		"garbage": &s.Garbage, "reasoning": &s.Reasoning, "status": &s.Status, "status_first": &s.StatusFirst, "retry_after": &s.RetryAfter,
	}[name]
}

// switchNames lists the names that set knows.
func switchNames() []string {
	return []string{
		"delay", "gap", "tokens", "body", "cut", "stall", "error", "garbage", "reasoning",
		"status", "status_first", "retry_after", "message",
	}
}

// setList applies "name=value,name=value", the form of the header.
func (s *Switches) setList(list string) error {
	for item := range strings.SplitSeq(list, ",") {
		name, value, _ := strings.Cut(item, "=")
		if err := s.set(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	return nil
}

// setQuery applies the query parameters that are switches; others, such as
// beta=true, belong to the API.
func (s *Switches) setQuery(query url.Values) error {
	for _, name := range switchNames() {
		if query.Has(name) {
			if err := s.set(name, query.Get(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// setMap applies a decoded JSON object.
func (s *Switches) setMap(values map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := fmt.Sprint(values[name])
		if number, ok := values[name].(float64); ok {
			value = strconv.FormatFloat(number, 'f', -1, 64)
		}
		if err := s.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// directiveStart opens switches inside a prompt; "]" closes them.
const directiveStart = "[x-mock:"

// setPrompt applies the directive in a prompt, if there is one.
func (s *Switches) setPrompt(text string) error {
	_, rest, found := strings.Cut(text, directiveStart)
	if !found {
		return nil
	}
	list, _, found := strings.Cut(rest, "]")
	if !found {
		return fmt.Errorf("a prompt has %q without the closing bracket", directiveStart)
	}
	return s.setList(list)
}

// asMap is the JSON form of what is set.
func (s *Switches) asMap() map[string]any {
	set := map[string]any{}
	if s.Delay > 0 {
		set["delay"] = s.Delay.String()
	}
	if s.Gap > 0 {
		set["gap"] = s.Gap.String()
	}
	if s.Message != "" {
		set["message"] = s.Message
	}
	plain := noSwitches()
	for _, name := range switchNames() {
		if value := s.counter(name); value != nil && *value != *plain.counter(name) {
			set[name] = *value
		}
	}
	return set
}
