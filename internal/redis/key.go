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
	prefix     = "quota:{"
	lateSuffix = ":late"
	startForm  = "20060102T1504Z"
)

// windowKey is the key of a subject's window. The subject is escaped, so it may contain anything, and the part in
// braces, by which a cluster chooses the slot, is the same for all of its windows.
func windowKey(subject string, w gateway.Window) string {
	return prefix + url.QueryEscape(subject) + "}:" + w.Start.UTC().Format(startForm)
}

// parseKey is the reverse of windowKey. It refuses the keys of late settlements.
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

// reservedAt is the time in a request's id, which is a UUIDv7: its first 48 bits are Unix milliseconds.
func reservedAt(id uuid.UUID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms)
}
