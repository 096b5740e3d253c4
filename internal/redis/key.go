package redis

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	prefix    = "quota:{"
	startForm = "20060102T1504Z"
)

// keys are those that a request of a subject and window is counted in: the window, the minute, the places.
func keys(subject string, w gateway.Window) []string {
	tag := tag(subject)
	return []string{tag + w.Start.UTC().Format(startForm), tag + "minute", tag + "places"}
}

// tag begins all keys of a subject. The subject is escaped, so it may contain anything, and the part in braces, by which a
// cluster chooses the slot, is the same for all of them.
func tag(subject string) string { return prefix + url.QueryEscape(subject) + "}:" }

// parseKey is the reverse of keys, for the first of them.
func parseKey(key string) (subject string, start time.Time, err error) {
	escaped, form, ok := strings.Cut(strings.TrimPrefix(key, prefix), "}:")
	if !ok || !strings.HasPrefix(key, prefix) {
		return "", time.Time{}, fmt.Errorf("%q is not the key of a window", key)
	}
	if subject, err = url.QueryUnescape(escaped); err != nil {
		return "", time.Time{}, fmt.Errorf("key %q: %w", key, err)
	}
	if start, err = time.Parse(startForm, form); err != nil {
		return "", time.Time{}, fmt.Errorf("key %q: %w", key, err)
	}
	return subject, start, nil
}

// parseID is the id of a reservation's field; ok is false for other fields.
func parseID(field string) (id uuid.UUID, ok bool) {
	if len(field) != 36 {
		return id, false
	}
	id, err := uuid.Parse(field)
	return id, err == nil
}
