package model

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
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

	Status      int           // answer with this status and an error envelope
	StatusFirst int           // only the first K requests since the faults were set
	StatusShare int           // only this percentage of them, evenly
	StatusFor   time.Duration // only until the faults are this old
	StatusOver  int           // only while more than N requests are in flight
	RetryAfter  int           // seconds, header of such an answer
	Message     string        // message of such an answer

	BatchDelay  time.Duration  // wait before the items of a batch are run; they have no other delay
	BatchFail   *regexp.Regexp // items with such a custom_id fail with status 500
	BatchExpire *regexp.Regexp // they expire
	BatchHold   *regexp.Regexp // they are not run until the batch is cancelled
}

// noSwitches is the plain behaviour.
func noSwitches() Switches {
	return Switches{Tokens: off, Body: off, Cut: off, Stall: off, Error: off, Garbage: off, Reasoning: off, StatusFirst: off, StatusShare: off, StatusOver: off, RetryAfter: off}
}

// set changes one switch by its name.
func (s *Switches) set(name, value string) error {
	var err error
	switch target := s.named(name).(type) {
	case *time.Duration:
		*target, err = time.ParseDuration(value)
	case *int:
		*target, err = strconv.Atoi(value)
	case *string:
		*target = value
	case **regexp.Regexp:
		*target, err = regexp.Compile(value)
	default:
		return fmt.Errorf("unknown switch %q, known are %s", name, strings.Join(switchNames(), ", "))
	}
	if err != nil {
		return fmt.Errorf("switch %s=%q: %w", name, value, err)
	}
	return nil
}

// named finds a switch; nil if there is none of that name.
func (s *Switches) named(name string) any {
	switch name {
	case "delay":
		return &s.Delay
	case "gap":
		return &s.Gap
	case "tokens":
		return &s.Tokens
	case "body":
		return &s.Body
	case "cut":
		return &s.Cut
	case "stall":
		return &s.Stall
	case "error":
		return &s.Error
	case "garbage":
		return &s.Garbage
	case "reasoning":
		return &s.Reasoning
	case "status":
		return &s.Status
	case "status_first":
		return &s.StatusFirst
	case "status_share":
		return &s.StatusShare
	case "status_for":
		return &s.StatusFor
	case "status_over":
		return &s.StatusOver
	case "retry_after":
		return &s.RetryAfter
	case "message":
		return &s.Message
	case "batch_delay":
		return &s.BatchDelay
	case "batch_fail":
		return &s.BatchFail
	case "batch_expire":
		return &s.BatchExpire
	case "batch_hold":
		return &s.BatchHold
	}
	return nil
}

// switchNames lists the names that set knows.
func switchNames() []string {
	return []string{
		"delay", "gap", "tokens", "body", "cut", "stall", "error", "garbage", "reasoning",
		"status", "status_first", "status_share", "status_for", "status_over", "retry_after", "message",
		"batch_delay", "batch_fail", "batch_expire", "batch_hold",
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
	plain := noSwitches()
	for _, name := range switchNames() {
		switch value := s.named(name).(type) {
		case *time.Duration:
			if *value > 0 {
				set[name] = value.String()
			}
		case *int:
			if *value != *plain.named(name).(*int) {
				set[name] = *value
			}
		case *string:
			if *value != "" {
				set[name] = *value
			}
		case **regexp.Regexp:
			if *value != nil {
				set[name] = (*value).String()
			}
		}
	}
	return set
}
