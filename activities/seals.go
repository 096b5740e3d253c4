package activities

import (
	"context"

	"github.com/openova-io/llm-gateway/internal/seal"
)

// Sealable is a ledger whose rows wait for seals.
type Sealable interface {
	Seal(ctx context.Context, limit int, sign func(*seal.Seal) error) (seal.Seal, error)
	Unsealed(ctx context.Context) (int64, error)
}

// Seals are the activities that make the ledger's seals.
type Seals struct {
	Ledger Sealable
	Sign   func(*seal.Seal) error // nil if seals are not signed

	OnSeal    func(made seal.Seal) // told of every seal, and of every look that found nothing: the zero seal
	OnWaiting func(rows int64)     // told how many wait, also when they cannot be sealed
}

// Sealed is what came of one look at what waits for a seal. Its hash stays in the workflow's history, where the head of the
// chain is on record a second time.
type Sealed struct {
	N       int64  // of the seal; 0 if there was nothing to seal
	Hash    string // in hex
	Rows    int
	Waiting int64 // rows that wait for the next one
}

// Seal makes the next seal, of limit rows at most.
func (s *Seals) Seal(ctx context.Context, limit int) (Sealed, error) {
	made, err := s.Ledger.Seal(ctx, limit, s.Sign)
	waiting, counting := s.Ledger.Unsealed(ctx)
	if counting == nil {
		s.OnWaiting(waiting)
	}
	if err != nil {
		return Sealed{}, err
	}
	s.OnSeal(made)
	if made.N == 0 {
		return Sealed{Waiting: waiting}, nil
	}
	return Sealed{N: made.N, Hash: made.Hash.String(), Rows: made.Rows, Waiting: waiting}, nil
}
