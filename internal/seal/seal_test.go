package seal_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/seal"
)

// entries are n rows with ids and digests of their own.
func entries(n int) (e seal.Entries) {
	for i := range n {
		var id uuid.UUID
		binary.BigEndian.PutUint64(id[:], uint64(i+1))
		e = e.Append(id, sha256.Sum256(id[:]))
	}
	return e
}

// plainRoot is the definition of RFC 6962, with slices.
func plainRoot(leaves [][]byte) []byte {
	switch n := len(leaves); n {
	case 0:
		sum := sha256.Sum256(nil)
		return sum[:]
	case 1:
		sum := sha256.Sum256(append([]byte{0}, leaves[0]...))
		return sum[:]
	default:
		split := 1
		for split*2 < n {
			split *= 2
		}
		sum := sha256.Sum256(slices.Concat([]byte{1}, plainRoot(leaves[:split]), plainRoot(leaves[split:])))
		return sum[:]
	}
}

func TestTheRootIsThatOfRFC6962(t *testing.T) {
	for n := range 70 {
		e := entries(n)
		if got := e.Root(); !slices.Equal(got[:], plainRoot(slices.Collect(slices.Chunk([]byte(e), 48)))) {
			t.Errorf("%d entries: %s", n, got)
		}
	}
}

func TestEveryBitOfEveryEntryAndTheirOrderMatterToTheRoot(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 40; n++ {
		e := entries(n)
		whole := e.Root()
		for bit := range len(e) * 8 {
			if bit%97 != 0 && random.IntN(40) != 0 {
				continue
			}
			edited := slices.Clone(e)
			edited[bit/8] ^= 1 << (bit % 8)
			if edited.Root() == whole {
				t.Fatalf("bit %d of %d entries does not matter", bit, n)
			}
		}
		for i := range n {
			if slices.Delete(slices.Clone(e), i*48, i*48+48).Root() == whole {
				t.Fatalf("entry %d of %d may be left out", i, n)
			}
			j := random.IntN(n)
			swapped := slices.Clone(e)
			copy(swapped[i*48:i*48+48], e[j*48:j*48+48])
			copy(swapped[j*48:j*48+48], e[i*48:i*48+48])
			if i != j && swapped.Root() == whole {
				t.Fatalf("entries %d and %d of %d may change places", i, j, n)
			}
		}
		// Two leaves are no node.
		if n == 2 && (seal.Entries(slices.Concat(e, e)).Root() == whole) {
			t.Fatal("entries may be there twice")
		}
	}
}

func TestEverythingASealSaysMattersToItsHash(t *testing.T) {
	first := seal.New(seal.Seal{}, time.Unix(1, 0), entries(3), "[]")
	s := seal.New(first, time.Unix(2, 3000), entries(5), `["a"]`)
	if s.N != 2 || s.Previous != first.Hash || s.Sum() != s.Hash || s.Rows != 5 || s.First != entries(5).At(0).ID || s.Last != entries(5).At(4).ID {
		t.Fatalf("seal = %+v", s)
	}
	for name, change := range map[string]func(*seal.Seal){
		"n":        func(s *seal.Seal) { s.N++ },
		"time":     func(s *seal.Seal) { s.SealedAt = s.SealedAt.Add(time.Microsecond) },
		"rows":     func(s *seal.Seal) { s.Rows++ },
		"first":    func(s *seal.Seal) { s.First[0]++ },
		"last":     func(s *seal.Seal) { s.Last[15]++ },
		"root":     func(s *seal.Seal) { s.Root[31]++ },
		"notes":    func(s *seal.Seal) { s.Notes += " " },
		"previous": func(s *seal.Seal) { s.Previous[0]++ },
	} {
		edited := s
		if change(&edited); edited.Sum() == s.Hash {
			t.Errorf("%s may be edited", name)
		}
	}
}

// The hash is what others have to be able to compute, so it does not change.
func TestTheHashIsAsItIsDocumented(t *testing.T) {
	s := seal.Seal{N: 7, SealedAt: time.UnixMicro(1_700_000_000_000_001), Rows: 2, Notes: "[]"}
	zeros := "64:0000000000000000000000000000000000000000000000000000000000000000,"
	id := "36:00000000-0000-0000-0000-000000000000,"
	if want := seal.Digest(sha256.Sum256([]byte("6:seal/1,1:7,16:1700000000000001,1:2," + id + id + zeros + "2:[]," + zeros))); s.Sum() != want {
		t.Errorf("hash = %s, want %s", s.Sum(), want)
	}
}

func TestADigestIsReadAsItIsWritten(t *testing.T) {
	d := seal.Digest(sha256.Sum256([]byte("x")))
	if got, err := seal.ParseDigest(d.String()); err != nil || got != d {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "ab", d.String()[1:], d.String() + "00", "zz" + d.String()[2:]} {
		if got, err := seal.ParseDigest(text); err == nil || got != (seal.Digest{}) {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	if seal.DigestOf(d[:31]) != (seal.Digest{}) || seal.DigestOf(append(d[:], 0)) != (seal.Digest{}) || seal.DigestOf(d[:]) != d {
		t.Error("bytes of another length are a digest")
	}
}
