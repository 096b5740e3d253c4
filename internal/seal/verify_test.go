package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/seal"
)

// ledger is a ledger in memory.
type ledger struct {
	ids   []uuid.UUID
	seals []seal.Seal
	lists []seal.Entries
}

func text(id uuid.UUID) string {
	return fmt.Sprintf(`["ledger/1","%s","a \"quoted\" text","],\"digest\":\"00\"}"]`, id)
}

func (l *ledger) add(n int, notes ...seal.Note) {
	var e seal.Entries
	for range n {
		id := uuid.UUID{5: 1, 6: 0x70, 14: byte(len(l.ids) >> 8), 15: byte(len(l.ids))}
		l.ids = append(l.ids, id)
		e = e.Append(id, sha256.Sum256([]byte(text(id))))
	}
	var previous seal.Seal
	if len(l.seals) > 0 {
		previous = l.seals[len(l.seals)-1]
	}
	said, err := seal.Notes(notes)
	if err != nil {
		panic(err)
	}
	l.seals, l.lists = append(l.seals, seal.New(previous, time.Unix(int64(previous.N), 0), e, said)), append(l.lists, e)
}

// export is the ledger without some rows.
func (l *ledger) export(t testing.TB, without ...int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := seal.NewWriter(&out)
	err := w.Header(seal.Header{MadeAt: time.Unix(9, 0), Gateway: "test"})
	for _, s := range l.seals {
		err = errors.Join(err, w.Seal(s))
	}
	for i, s := range l.seals {
		if s.Rows > 0 {
			err = errors.Join(err, w.Entries(s.N, l.lists[i]))
		}
	}
	gone := map[int]bool{}
	for _, i := range without {
		gone[i] = true
	}
	for i, id := range l.ids {
		if !gone[i] {
			digest := sha256.Sum256([]byte(text(id)))
			err = errors.Join(err, w.Row(text(id), digest[:], false))
		}
	}
	if _, ending := w.End(); errors.Join(err, ending) != nil {
		t.Fatal(err, ending)
	}
	return out.Bytes()
}

func TestAnExportThatWasCutOffIsNoExport(t *testing.T) {
	l := &ledger{}
	l.add(3)
	l.add(2)
	whole := l.export(t)
	if r, err := seal.Verify(bytes.NewReader(whole), seal.Options{}); err != nil || r.Bad != 0 || r.End.Rows != 5 {
		t.Fatalf("%+v, %v", r, err)
	}
	for n := range len(whole) {
		if _, err := seal.Verify(bytes.NewReader(whole[:n]), seal.Options{}); err == nil {
			t.Fatalf("cut off after %d of %d bytes, it is taken for the whole", n, len(whole))
		}
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for i := range lines[:len(lines)-1] {
		rest := bytes.Join(append(append([][]byte{}, lines[:i]...), lines[i+1:]...), nil)
		r, err := seal.Verify(bytes.NewReader(rest), seal.Options{})
		if err == nil && r.Bad == 0 {
			t.Errorf("line %d may be left out: %s", i+1, lines[i])
		}
	}
}

func TestWhatIsNoExportIsRefusedWithASentence(t *testing.T) {
	for text, want := range map[string]string{
		"":             "no export",
		"{}\n":         "no export",
		"hello\n":      "no export",
		"{\"id\":1}\n": "no export",
		"{\"export\":{\"format\":\"llm-gateway-ledger/2\"}}\n":          "use the llmgw that fits",
		"{\"export\":{\"format\":\"llm-gateway-ledger/1\"}}\n":          "cut off",
		"{\"export\":{\"format\":\"llm-gateway-ledger/1\"}}\nhello\n":   "line 2",
		"{\"export\":{\"format\":\"llm-gateway-ledger/1\"}}\n{}\n":      "line 2",
		"{\"export\":{\"format\":\"llm-gateway-ledger/1\"}}\n[1]\n":     "line 2",
		"{\"export\":{\"format\":\"llm-gateway-ledger/1\"}}\n{\"row\":": "cut off",
	} {
		if _, err := seal.Verify(strings.NewReader(text), seal.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestTheFirstBadRowsAreNamedInOrder(t *testing.T) {
	l := &ledger{}
	for range 10 {
		l.add(1000)
	}
	gone := make([]int, 3000)
	for i := range gone {
		gone[i] = 9000 - 3*i
	}
	r, err := seal.Verify(bytes.NewReader(l.export(t, gone...)), seal.Options{})
	if err != nil || r.Bad != 3000 || len(r.BadRows) != seal.Most {
		t.Fatalf("found %d, named %d, %v", r.Bad, len(r.BadRows), err)
	}
	for i, f := range r.BadRows {
		if f.Row != l.ids[3+3*i] {
			t.Errorf("finding %d is of %s, want %s", i, f.Row, l.ids[3+3*i])
		}
	}
}

func TestARetirementIsOfWhatWasSealedBeforeItAndOfNothingElse(t *testing.T) {
	before := time.UnixMilli(2) // above all ids
	retire := seal.Note{Kind: seal.Retire, Table: "ledger", Before: &before}
	for name, c := range map[string]struct {
		note seal.Note
		bad  int64
	}{
		"of the ledger":           {retire, 2}, // those in the same seal, and the one after
		"of another table":        {seal.Note{Kind: seal.Retire, Table: "bodies", Before: &before}, 4},
		"of an earlier time":      {seal.Note{Kind: seal.Retire, Table: "ledger", Before: &time.Time{}}, 4},
		"a hold is no retirement": {seal.Note{Kind: seal.Hold, Table: "ledger", Before: &before}, 4},
	} {
		l := &ledger{}
		l.add(2)
		l.add(1, c.note)
		l.add(1)
		if r, err := seal.Verify(bytes.NewReader(l.export(t, 0, 1, 2, 3)), seal.Options{}); err != nil || r.Bad != c.bad || r.Retired != 4-c.bad {
			t.Errorf("%s: %d bad, %d retired, %v; want %d bad", name, r.Bad, r.Retired, err, c.bad)
		}
	}
}

func TestKeysAreReadFromPEM(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	pkix, err2 := x509.MarshalPKIXPublicKey(public)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	privateText := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	publicText := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})
	if got, err := seal.ParsePrivateKey(privateText); err != nil || !got.Equal(private) {
		t.Error(err)
	}
	if got, err := seal.ParsePublicKey(publicText); err != nil || !got.Equal(public) {
		t.Error(err)
	}
	for _, text := range [][]byte{nil, []byte("secret"), publicText} {
		if _, err := seal.ParsePrivateKey(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := seal.ParsePublicKey(privateText); err == nil || !strings.Contains(err.Error(), "-pubout") {
		t.Error(err)
	}
}

// Whatever a file has in it, reading it ends with a report or an error.
func FuzzVerify(f *testing.F) {
	l := &ledger{}
	l.add(3)
	l.add(0, seal.Note{Kind: seal.Hold, Subject: "a"})
	l.add(2)
	f.Add(l.export(f))
	f.Add(l.export(f, 1, 4))
	f.Add([]byte("{\"export\":{\"format\":\"llm-gateway-ledger/1\"}}\n{\"row\":[\"ledger/1\",\"\"],\"digest\":\"\"}\n{\"end\":{}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := seal.Verify(bytes.NewReader(text), seal.Options{Anchors: map[int64]seal.Digest{1: {}}})
		if err == nil && r.Bad == 0 && r.End.Seals > 0 {
			t.Errorf("the anchor is of no seal, and nothing was found: %s", text)
		}
	})
}

func TestASignatureIsOfTheHashAndByTheKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{}
	l.add(2)
	l.seals[0].Sign(private)
	verify := func() seal.Report {
		r, err := seal.Verify(bytes.NewReader(l.export(t)), seal.Options{Keys: []ed25519.PublicKey{public}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := verify(); r.Bad != 0 || r.Signed != 1 {
		t.Errorf("found %+v, %d signatures", r.BadSeals, r.Signed)
	}
	l.seals[0].Signature[5] ^= 1
	if r := verify(); r.Bad != 1 || !strings.Contains(r.BadSeals[0].What, "not of its hash") {
		t.Errorf("found %+v", r.BadSeals)
	}
}

// What waits for its seal is told of by the export alone, and its last line counts it.
func TestARowThatWaitsMayNotBeLeftOutOfAnExport(t *testing.T) {
	var out bytes.Buffer
	w := seal.NewWriter(&out)
	id := uuid.UUID{6: 0x70}
	digest := sha256.Sum256([]byte(text(id)))
	err := errors.Join(w.Header(seal.Header{}), w.Row(text(id), digest[:], true))
	if _, ending := w.End(); errors.Join(err, ending) != nil {
		t.Fatal(err, ending)
	}
	if r, err := seal.Verify(bytes.NewReader(out.Bytes()), seal.Options{}); err != nil || r.Bad != 0 || r.End.Pending != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	lines := bytes.SplitAfter(out.Bytes(), []byte("\n"))
	if _, err := seal.Verify(bytes.NewReader(bytes.Join([][]byte{lines[0], lines[2]}, nil)), seal.Options{}); err == nil || !strings.Contains(err.Error(), "1 rows") {
		t.Error(err)
	}
}

func TestARowThatIsLostIsNamedInItsPlace(t *testing.T) {
	l := &ledger{}
	for range 10 {
		l.add(1000)
	}
	gone := make([]int, 3000)
	for i := range gone {
		gone[i] = i
	}
	lines := bytes.SplitAfter(l.export(t, gone...), []byte("\n"))
	const lost = "00000000-0000-7000-8000-000000000000" // lower than all of them
	end := `{"lost":"` + lost + `"}` + "\n" + `{"end":{"seals":10,"rows":7000,"pending":0,"lost":1}}` + "\n"
	r, err := seal.Verify(bytes.NewReader(append(bytes.Join(lines[:len(lines)-2], nil), end...)), seal.Options{})
	if err != nil || r.Bad != 3001 || r.BadRows[0].Row.String() != lost || !strings.Contains(r.BadRows[0].What, "before it was sealed") {
		t.Errorf("found %d, the first %+v, %v", r.Bad, r.BadRows, err)
	}
}
