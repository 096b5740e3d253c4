package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Digest is a SHA-256. As text it is in hex.
type Digest [sha256.Size]byte

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText is String.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Digest) UnmarshalText(text []byte) error {
	got, err := ParseDigest(string(text))
	*d = got
	return err
}

// ParseDigest reads a digest in hex.
func ParseDigest(text string) (d Digest, err error) {
	if n, err := hex.Decode(d[:], []byte(text[:min(len(text), 2*len(d))])); err != nil || n != len(d) || len(text) != 2*len(d) {
		return Digest{}, fmt.Errorf("%q is not the SHA-256 of anything: it takes %d hex digits", text, 2*len(d))
	}
	return d, nil
}

// DigestOf takes the bytes for a digest. What does not have the length of one is the zero digest, which nothing has.
func DigestOf(b []byte) (d Digest) {
	if len(b) == len(d) {
		copy(d[:], b)
	}
	return d
}

// Columns names the texts of a row in the form ledger/1, from the second on. Times are microseconds since 1970, digests in hex.
func Columns() []string {
	return []string{
		"id", "admitted_at", "first_byte_at", "ended_at", "subject", "user_name", "tier", "endpoint", "dialect", "stream", "session",
		"model_requested", "model_routed", "backend", "status", "http_status", "error", "stop_reason", "upstream_id", "input_tokens",
		"output_tokens", "cache_read_tokens", "cache_write_tokens", "usage_estimated", "charge_requests", "charge_tokens", "reserved",
		"window_start", "window_reset", "request_digest", "response_digest", "recorded_at", "attempts", "cost_nanos",
		"first_model_routed", "first_backend", "batch_id", "batch_n", "class",
	}
}

// Entry is a row in a seal. The digest of a row that was gone when it was to be sealed is zero.
type Entry struct {
	ID     uuid.UUID
	Digest Digest
}

// entryBytes is the length of an entry: id and digest.
const entryBytes = 16 + sha256.Size

// Entries is a list of entries in the order of their ids, each of 48 bytes.
type Entries []byte

// Append adds an entry.
func (e Entries) Append(id uuid.UUID, d Digest) Entries { return append(append(e, id[:]...), d[:]...) }

// Len is how many entries there are. Bytes that are no whole entry do not count.
func (e Entries) Len() int { return len(e) / entryBytes }

// At is the entry i.
func (e Entries) At(i int) (at Entry) {
	b := e[i*entryBytes:]
	copy(at.ID[:], b)
	copy(at.Digest[:], b[len(at.ID):])
	return at
}

// Root is the root of the Merkle tree over the entries.
func (e Entries) Root() Digest {
	if e.Len() == 0 {
		return sha256.Sum256(nil)
	}
	return root(e, e.Len())
}

func root(e Entries, n int) Digest {
	if n == 1 {
		var leaf [1 + entryBytes]byte // 0x00, and the entry
		copy(leaf[1:], e[:entryBytes])
		return sha256.Sum256(leaf[:])
	}
	split := 1
	for 2*split < n {
		split *= 2
	}
	left, right := root(e, split), root(e[split*entryBytes:], n-split)
	var node [1 + 2*sha256.Size]byte
	node[0] = 1
	copy(node[1:], left[:])
	copy(node[1+len(left):], right[:])
	return sha256.Sum256(node[:])
}

// Seal stands for some rows of the ledger, and by the hash of the seal before for all that were sealed before them.
type Seal struct {
	N         int64     `json:"n"` // 1, 2, 3, …
	SealedAt  time.Time `json:"sealed_at"`
	Rows      int       `json:"rows"`
	First     uuid.UUID `json:"first"` // the lowest id; zero if there are no rows
	Last      uuid.UUID `json:"last"`
	Root      Digest    `json:"root"`
	Notes     string    `json:"notes"`    // a JSON array of [Note]
	Previous  Digest    `json:"previous"` // hash of the seal before; zero of the first
	Hash      Digest    `json:"hash"`
	Key       string    `json:"key,omitempty"`       // of the signature; see KeyID
	Signature []byte    `json:"signature,omitempty"` // nil if there is none

	Gone int `json:"-"` // of the rows, those that were gone; told of a new seal only
}

// New seals the entries and notes after the seal previous, whose zero value stands for none. The hash is set, and there is no
// signature.
func New(previous Seal, at time.Time, entries Entries, notes string) Seal {
	s := Seal{N: previous.N + 1, SealedAt: at.UTC().Truncate(time.Microsecond), Rows: entries.Len(), Root: entries.Root(), Notes: notes, Previous: previous.Hash}
	if s.Rows > 0 {
		s.First, s.Last = entries.At(0).ID, entries.At(s.Rows-1).ID
	}
	for i := range s.Rows {
		if entries.At(i).Digest == (Digest{}) {
			s.Gone++
		}
	}
	s.Hash = s.Sum()
	return s
}

// Sum is the hash that the seal has to have.
func (s Seal) Sum() (d Digest) {
	h := sha256.New()
	for _, text := range []string{
		"seal/1", strconv.FormatInt(s.N, 10), strconv.FormatInt(s.SealedAt.UnixMicro(), 10), strconv.Itoa(s.Rows),
		s.First.String(), s.Last.String(), s.Root.String(), s.Notes, s.Previous.String(),
	} {
		netstring(h, text)
	}
	h.Sum(d[:0])
	return d
}

// netstring writes "<length>:<text>,": no two lists of texts are written alike.
func netstring(h hash.Hash, text string) {
	fmt.Fprintf(h, "%d:%s,", len(text), text)
}
