package gateway

import (
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
)

// The prefixes of the ids that callers see.
const (
	anthropicBatch = "msgbatch_"
	openaiBatch    = "batch_"
	filePrefix     = "file-"
)

// PublicID is the batch's id as callers see it, in the manner of its dialect: "msgbatch_…" or "batch_…", with the 32
// hexadecimal digits of the id.
func (b *Batch) PublicID() string { return PublicBatchID(b.Endpoint.Dialect(), b.ID) }

// PublicBatchID is the id of a batch of a dialect as callers see it.
func PublicBatchID(d Dialect, id uuid.UUID) string {
	if d == Anthropic {
		return anthropicBatch + hex.EncodeToString(id[:])
	}
	return openaiBatch + hex.EncodeToString(id[:])
}

// ParseBatchID is the reverse of PublicBatchID; ok is false if s is no batch's id.
func ParseBatchID(s string) (id uuid.UUID, d Dialect, ok bool) {
	if digits, found := strings.CutPrefix(s, anthropicBatch); found {
		id, ok = parseHex(digits)
		return id, Anthropic, ok
	}
	digits, found := strings.CutPrefix(s, openaiBatch)
	id, ok = parseHex(digits)
	return id, OpenAI, ok && found
}

// PublicFileID is a file's id as callers see it: "file-…"; "" for the zero UUID.
func PublicFileID(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return filePrefix + hex.EncodeToString(id[:])
}

// ParseFileID is the reverse of PublicFileID; ok is false if s is no file's id.
func ParseFileID(s string) (id uuid.UUID, ok bool) {
	digits, found := strings.CutPrefix(s, filePrefix)
	if !found {
		return uuid.Nil, false
	}
	return parseHex(digits)
}

func parseHex(digits string) (id uuid.UUID, ok bool) {
	if len(digits) != 2*len(id) || strings.ToLower(digits) != digits {
		return uuid.Nil, false
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return uuid.Nil, false
	}
	return uuid.UUID(b), true
}
