package seal

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// Options say what an export is held against beside itself.
type Options struct {
	Keys    []ed25519.PublicKey // that may have signed the seals; without one no signature is checked
	Anchors map[int64]Digest    // hashes of seals that were noted down
}

// Verify reads an export and tells what is wrong with the ledger. The error is one of the file: it is no export, or not the
// whole of one.
func Verify(in io.Reader, o Options) (Report, error) {
	v := &verifier{
		in: lines{in: bufio.NewReaderSize(in, 1<<20)}, chain: newChain(o), listed: map[int64]bool{},
	}
	if err := v.header(); err != nil {
		return Report{}, err
	}
	for {
		line, err := v.in.next()
		if err != nil {
			return Report{}, err
		}
		if r, ok := parseRow(line); ok {
			v.row(r)
			continue
		}
		end, err := v.other(line)
		if err != nil {
			return Report{}, err
		}
		if end != nil {
			return v.finish(*end)
		}
	}
}

// verifier is a verification under way.
type verifier struct {
	in      lines
	chain   *chain
	entries merge          // of the open seals
	listed  map[int64]bool // the seals whose entries were here
	last    uuid.UUID      // the row before
	rows    findings
	report  Report
	end     End // as it is counted here
}

func (v *verifier) header() error {
	line, err := v.in.next()
	if err != nil && !errors.Is(err, ErrCutOff) {
		return err
	}
	var o other
	if json.Unmarshal(line, &o) != nil || o.Export == nil || o.Export.Format == "" {
		return errors.New("the file is no export of the ledger. llmgw audit export makes one")
	}
	if o.Export.Format != Format {
		return fmt.Errorf("the export is in the form %q, and this program reads %q: use the llmgw that fits the gateway", o.Export.Format, Format)
	}
	v.report.Header = *o.Export
	return nil
}

// other takes a line that is no row. It answers the last one.
func (v *verifier) other(line []byte) (*End, error) {
	var o other
	if err := json.Unmarshal(line, &o); err != nil {
		return nil, v.in.strange()
	}
	switch {
	case o.End != nil:
		return o.End, nil
	case o.Lost != nil:
		v.end.Lost++
		v.rows.add(finding{Finding: Finding{Row: *o.Lost, What: "it was deleted before it was sealed"}})
	case o.Note != nil:
		v.chain.note(*o.Note, unsealed)
	case o.Entries != nil:
		var n int64
		if json.Unmarshal(o.Seal, &n) != nil {
			return nil, v.in.strange()
		}
		v.open(n, o.Entries)
	case o.Seal != nil:
		var s Seal
		if json.Unmarshal(o.Seal, &s) != nil {
			return nil, v.in.strange()
		}
		v.end.Seals++
		v.chain.add(s, v.report.Header.From != nil)
	default:
		return nil, v.in.strange()
	}
	return nil, nil
}

// open takes the entries of a seal.
func (v *verifier) open(n int64, e Entries) {
	s, ok := v.chain.seals[n]
	switch {
	case !ok:
		v.chain.found(n, "it is missing, and its entries are not")
		return
	case v.listed[n]:
		v.chain.found(n, "its entries are there twice")
		return
	case len(e)%entryBytes != 0 || e.Len() != s.rows || e.Root() != s.root || e.Len() > 0 && (e.At(0).ID != s.first || e.At(e.Len()-1).ID != s.last):
		v.chain.found(n, "its entries were edited: its root is not theirs")
	}
	v.listed[n] = true
	v.entries.open(n, e)
}

// row takes a row.
func (v *verifier) row(r row) {
	v.end.Rows++
	if v.end.Rows > 1 && compare(r.id, v.last) <= 0 {
		v.rows.add(finding{Finding: Finding{Row: r.id, What: "it is there twice"}})
		return
	}
	v.last = r.id
	v.missing(r.id)
	computed := Digest(sha256.Sum256(r.text))
	sealed := v.entries.take(r.id)
	if r.pending {
		v.end.Pending++
	}
	if what, expected := judge(r, computed, sealed); what != "" {
		v.rows.add(finding{Finding: Finding{Row: r.id, Seal: lastOf(sealed), What: what}, stored: r.digest, expected: expected})
	}
}

// judge says what is wrong with a row, if anything is, and which digest it should have.
func judge(r row, computed Digest, sealed []listing) (what string, expected Digest) {
	if len(sealed) == 0 {
		switch {
		case !r.pending:
			return "it was put in: no seal lists it, and it does not wait for one", Digest{}
		case computed != r.digest:
			return "it was edited before it was sealed: the digest beside it is not its own", r.digest
		}
		return "", Digest{}
	}
	for _, s := range sealed {
		switch {
		case s.digest == Digest{}:
			return fmt.Sprintf("it was put in: when seal %d was made it was gone", s.seal), s.digest
		case computed == s.digest && r.digest == s.digest:
		case computed == s.digest:
			return fmt.Sprintf("the digest beside it was edited: the row is as seal %d has it", s.seal), s.digest
		case r.digest == s.digest:
			return fmt.Sprintf("it was edited: it does not have the digest beside it, which is that of seal %d", s.seal), s.digest
		case computed == r.digest:
			return fmt.Sprintf("it was edited, and the digest beside it with it: seal %d has another", s.seal), s.digest
		default:
			return fmt.Sprintf("it was edited: it has neither the digest beside it nor that of seal %d", s.seal), s.digest
		}
	}
	return "", Digest{}
}

// missing goes through what was sealed of the ids before the given one, none of which was there.
func (v *verifier) missing(before uuid.UUID) {
	for {
		id, ok := v.entries.peek()
		if !ok || compare(id, before) >= 0 {
			return
		}
		sealed := v.entries.take(id)
		last := sealed[len(sealed)-1]
		switch {
		case !v.report.Header.covers(id):
		case v.chain.retired(id, last.seal):
			v.report.Retired++
		case last.digest == Digest{}:
			v.rows.add(finding{Finding: Finding{Row: id, Seal: last.seal, What: fmt.Sprintf("it was deleted before seal %d was made", last.seal)}})
		default:
			v.rows.add(finding{
				Finding:  Finding{Row: id, Seal: last.seal, What: fmt.Sprintf("it was deleted: seal %d lists it", last.seal)},
				expected: last.digest,
			})
		}
	}
}

// finish ends the verification.
func (v *verifier) finish(end End) (Report, error) {
	if end != v.end {
		return Report{}, fmt.Errorf("the export says that it has %d seals and %d rows, and it has %d and %d. Was the file changed? Export again",
			end.Seals, end.Rows, v.end.Seals, v.end.Rows)
	}
	v.missing(uuid.Max)
	v.chain.finish(v.report.Header, v.listed)
	r := v.report
	r.End, r.Notes, r.Head, r.Since, r.Signed = end, v.chain.notes, v.chain.head, v.chain.since, v.chain.signed
	r.BadSeals, r.BadRows = v.chain.bad.list(), v.rows.list()
	r.Bad = v.chain.bad.n + v.rows.n
	return r, nil
}

// covers tells whether an export has the id, if it is there.
func (h Header) covers(id uuid.UUID) bool {
	return (h.From == nil || compare(id, Floor(*h.From)) >= 0) && (h.Before == nil || compare(id, Floor(*h.Before)) < 0)
}

func lastOf(sealed []listing) int64 {
	if len(sealed) == 0 {
		return 0
	}
	return sealed[len(sealed)-1].seal
}
