package cli

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/seal"
)

func (s *session) auditVerifyCommand() *cobra.Command {
	var keys, anchors []string
	verify := &cobra.Command{
		Use: "verify FILE", Short: "Check an export: name the first bad row, or say that there is none", Args: cobra.ExactArgs(1),
		Long: "Check an export: name the first bad row, or say that there is none.\n\n" +
			"It asks nobody: neither the gateway nor its database. Somebody who owns the database can make all seals anew, and only what is " +
			"kept elsewhere shows it: note the head that is printed here, and give it as --anchor the next time; or have the seals signed, and give --key. " +
			"The exit code is 0 if all is well, and 1 if not.",
		Example: "  llmgw audit verify ledger.ndjson --key seals.pub --anchor 4711:9f2c…",
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := verifyOptions(keys, anchors)
			if err != nil {
				return err
			}
			return s.verifyLedger(args[0], options)
		},
	}
	verify.Flags().StringArrayVar(&keys, "key", nil, "`file` with a public key that seals are signed with, in PEM; may be given again")
	verify.Flags().StringArrayVar(&anchors, "anchor", nil, "head that was noted down, as `N:HASH`; may be given again")
	return verify
}

func verifyOptions(keys, anchors []string) (o seal.Options, err error) {
	for _, file := range keys {
		text, err := os.ReadFile(file)
		if err != nil {
			return o, err
		}
		key, err := seal.ParsePublicKey(text)
		if err != nil {
			return o, fmt.Errorf("%s: %w", file, err)
		}
		o.Keys = append(o.Keys, key)
	}
	o.Anchors = map[int64]seal.Digest{}
	for _, anchor := range anchors {
		number, hash, _ := strings.Cut(anchor, ":")
		n, err := strconv.ParseInt(number, 10, 64)
		d, err2 := seal.ParseDigest(hash)
		if err != nil || err2 != nil || n < 1 {
			return o, fmt.Errorf("--anchor %q is not the number of a seal, a colon and its hash. llmgw audit verify prints it as the head", anchor)
		}
		o.Anchors[n] = d
	}
	return o, nil
}

func (s *session) verifyLedger(file string, o seal.Options) error {
	in := s.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	r, err := verifyPacked(in, o)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if s.json {
		err = s.writeJSON(described(&r, o.Keys))
	} else {
		err = s.tell(&r, o.Keys)
	}
	if err == nil && r.Bad > 0 {
		err = exit(exitFailed)
	}
	return err
}

func verifyPacked(in io.Reader, o seal.Options) (seal.Report, error) {
	plain, done, err := unpacked(in)
	if err != nil {
		return seal.Report{}, err
	}
	defer done()
	return seal.Verify(plain, o)
}

// tell tells people what a verification found.
func (s *session) tell(r *seal.Report, keys []ed25519.PublicKey) error {
	w := s.table()
	fmt.Fprintf(w, "ledger\t%s, exported %s by %s\n", s.span(r.Header.From, r.Header.Before), s.moment(r.Header.MadeAt), printable(r.Header.Gateway))
	fmt.Fprintf(w, "rows\t%s\n", grouped(r.End.Rows))
	if r.End.Pending > 0 {
		fmt.Fprintf(w, "\t%s of them wait for their seal\n", grouped(r.End.Pending))
	}
	if r.Retired > 0 {
		fmt.Fprintf(w, "\t%s more were sealed, and retired since\n", grouped(r.Retired))
	}
	if r.Head == nil {
		fmt.Fprintln(w, "seals\tnone")
	} else {
		fmt.Fprintf(w, "seals\t%s, from %d to %d\n", grouped(r.End.Seals), r.Since, r.Head.N)
		fmt.Fprintf(w, "head\t%d:%s\n\tof %s; note it down, and give it as --anchor the next time\n", r.Head.N, r.Head.Hash, s.moment(r.Head.SealedAt))
	}
	switch {
	case len(keys) == 0:
		fmt.Fprintln(w, "signatures\tnot checked: no --key")
	default:
		fmt.Fprintf(w, "signatures\t%s checked\n", grouped(r.Signed))
	}
	for i := range r.Notes {
		fmt.Fprintf(w, "%s\t%s\n", r.Notes[i].Kind, s.noted(&r.Notes[i]))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if r.Bad == 0 {
		_, err := fmt.Fprintln(s.Out, s.paint(green, "OK")+"  every row is as it was sealed")
		return err
	}
	fmt.Fprintf(s.Out, "%s  %s\n", s.paint(red, "BAD"), summary(r))
	for _, f := range r.BadSeals {
		fmt.Fprintf(s.Out, "  seal %d: %s\n", f.Seal, printable(f.What))
	}
	for _, f := range r.BadRows {
		fmt.Fprintf(s.Out, "  row %s: %s\n", f.Row, f.What)
	}
	if more := r.Bad - int64(len(r.BadRows)+len(r.BadSeals)); more > 0 {
		fmt.Fprintf(s.Out, "  and %s more\n", grouped(more))
	}
	return nil
}

// summary names the first bad row.
func summary(r *seal.Report) string {
	if len(r.BadRows) == 0 {
		return fmt.Sprintf("%s; the first is seal %d", findings(r.Bad), r.BadSeals[0].Seal)
	}
	return fmt.Sprintf("%s; the first bad row is %s", findings(r.Bad), r.BadRows[0].Row)
}

func findings(n int64) string {
	if n == 1 {
		return "1 finding"
	}
	return grouped(n) + " findings"
}

// noted is a measure in a line: "3: of 7f9c, since 2026-11-01 00:00:00, by ann: lawsuit".
func (s *session) noted(n *seal.Note) string {
	text := fmt.Sprintf("%d, %s:", n.ID, s.moment(n.At))
	switch n.Kind {
	case seal.Release:
		text += fmt.Sprintf(" of hold %d", n.Hold)
	case seal.Retire:
		text += fmt.Sprintf(" %s rows of %s %s", grouped(n.Rows), n.Table, s.span(n.From, n.Before))
	case seal.Erase:
		text += fmt.Sprintf(" %s bodies of %s %s", grouped(n.Rows), n.Subject, s.span(n.From, n.Before))
	default:
		who := n.Subject
		if who == "" {
			who = "everybody"
		}
		text += fmt.Sprintf(" of %s %s", who, s.span(n.From, n.Before))
	}
	text += ", by " + n.By
	if n.Reason != "" {
		text += ": " + n.Reason
	}
	return printable(text)
}

// printable is a text of the file without what a terminal would act on.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// span is a time of requests.
func (s *session) span(from, before *time.Time) string {
	switch {
	case from == nil && before == nil:
		return "of all times"
	case from == nil:
		return "before " + s.moment(*before)
	case before == nil:
		return "since " + s.moment(*from)
	}
	return "from " + s.moment(*from) + " to " + s.moment(*before)
}

// verification is what --json says of a report.
type verification struct {
	OK         bool        `json:"ok"`
	Findings   int64       `json:"findings"`
	FirstBad   *badThing   `json:"first_bad_row"` // null if no row is bad
	BadRows    []badThing  `json:"bad_rows"`      // the first of them
	BadSeals   []badThing  `json:"bad_seals"`     // the same
	Rows       int64       `json:"rows"`
	Pending    int64       `json:"pending"`
	Retired    int64       `json:"retired"`
	Seals      int64       `json:"seals"`
	FirstSeal  int64       `json:"first_seal"`
	Head       *seal.Seal  `json:"head"`       // null if there is no seal
	Signatures *int64      `json:"signatures"` // that were checked; null without a key
	From       *time.Time  `json:"from"`
	Before     *time.Time  `json:"before"`
	ExportedAt time.Time   `json:"exported_at"`
	Notes      []seal.Note `json:"notes"`
}

type badThing struct {
	Row  string `json:"row,omitempty"`
	Seal int64  `json:"seal,omitempty"`
	What string `json:"what"`
}

func described(r *seal.Report, keys []ed25519.PublicKey) verification {
	v := verification{
		OK: r.Bad == 0, Findings: r.Bad, BadRows: badThings(r.BadRows), BadSeals: badThings(r.BadSeals), Rows: r.End.Rows, Pending: r.End.Pending,
		Retired: r.Retired, Seals: r.End.Seals, FirstSeal: r.Since, Head: r.Head, From: r.Header.From, Before: r.Header.Before,
		ExportedAt: r.Header.MadeAt, Notes: append([]seal.Note{}, r.Notes...),
	}
	if len(v.BadRows) > 0 {
		v.FirstBad = &v.BadRows[0]
	}
	if len(keys) > 0 {
		v.Signatures = &r.Signed
	}
	return v
}

func badThings(found []seal.Finding) []badThing {
	list := make([]badThing, len(found))
	for i, f := range found {
		list[i] = badThing{Seal: f.Seal, What: f.What}
		if f.Row != uuid.Nil {
			list[i].Row = f.Row.String()
		}
	}
	return list
}
