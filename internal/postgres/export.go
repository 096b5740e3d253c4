package postgres

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/seal"
)

// What an export reads at once.
const (
	exportSeals   = 500
	exportEntries = 8 // seals with their entries: 4 MB
	exportRows    = 5000
)

// Export writes the ledger of the header's time with its seals, for an offline check. All of it is of one instant, and it is
// read a page at a time, so that the server keeps its snapshot as long as w takes, and nothing else.
func (db *DB) Export(ctx context.Context, h seal.Header, w io.Writer) (end seal.End, err error) {
	instant := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, db.pool, instant, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT now()`).Scan(&h.MadeAt); err != nil {
			return err
		}
		h.MadeAt = h.MadeAt.UTC()
		e := &export{db: db, tx: tx, out: seal.NewWriter(w), until: uuid.Max}
		if h.From != nil {
			e.from = seal.Floor(*h.From)
		}
		if h.Before != nil {
			e.until = seal.Floor(*h.Before)
		}
		if err := e.out.Header(h); err != nil {
			return err
		}
		for _, step := range []func(context.Context) error{e.seals, e.notes, e.rows, e.lost} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		end, err = e.out.End()
		return err
	})
	if err != nil {
		return end, fmt.Errorf("postgres: export: %w", err)
	}
	return end, nil
}

// export is an export under way.
type export struct {
	db          *DB
	tx          pgx.Tx
	out         *seal.Writer
	from, until uuid.UUID // of the rows; the latter is not in it

	open  []listed // seals whose entries come next
	after listed   // the last one that was read
}

// listed is a seal with its entries.
type listed struct {
	n       int64
	first   uuid.UUID
	entries []byte
}

// page reads one page.
func page[T any](ctx context.Context, e *export, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	ctx, cancel := e.db.bounded(ctx)
	defer cancel()
	rows, err := e.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// seals writes the seals from the first one on that lists a row of the export.
func (e *export) seals(ctx context.Context) error {
	first, err := page(ctx, e, pgx.RowTo[int64], `SELECT coalesce(min(n), 0) FROM seals WHERE $1 OR rows > 0 AND last_id >= $2`, e.from == uuid.Nil, pgUUID(e.from))
	if err != nil || first[0] == 0 {
		return err
	}
	for next := first[0]; ; {
		list, err := page(ctx, e, scanSeal, `SELECT `+sealColumns+` FROM seals WHERE n >= $1 ORDER BY n LIMIT $2`, next, exportSeals)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, s := range list {
			if err := e.out.Seal(s); err != nil {
				return err
			}
			next = s.N + 1
		}
	}
}

// notes writes the measures that no seal has.
func (e *export) notes(ctx context.Context) error {
	list, err := page(ctx, e, scanNote, `
		SELECT `+measureColumns+` FROM measures WHERE id > (SELECT coalesce(max(measure), 0) FROM seals) ORDER BY id`)
	for _, n := range list {
		if err := e.out.Note(n); err != nil {
			return err
		}
	}
	return err
}

// ledgerLine is a row of the ledger as it is exported.
type ledgerLine struct {
	id      uuid.UUID
	text    string
	digest  []byte
	pending bool
}

// rows writes the rows, and the entries of each seal before the first row that it lists.
func (e *export) rows(ctx context.Context) error {
	scan := func(row pgx.CollectableRow) (l ledgerLine, err error) {
		err = row.Scan(&l.id, &l.text, &l.digest, &l.pending)
		return l, err
	}
	last, than := e.from, ">="
	for full := true; full; than = ">" {
		list, err := page(ctx, e, scan, `
			SELECT l.id, ledger_text(l), l.digest, (SELECT true FROM unsealed u WHERE u.id = l.id) IS NOT NULL
			FROM ledger l WHERE l.id `+than+` $1 ORDER BY l.id LIMIT $2`, pgUUID(last), exportRows)
		if err != nil {
			return err
		}
		full = len(list) == exportRows
		for _, l := range list {
			if bytes.Compare(l.id[:], e.until[:]) >= 0 {
				full = false
				break
			}
			last = l.id
			if err := e.entries(ctx, l.id); err != nil {
				return err
			}
			if err := e.out.Row(l.text, l.digest, l.pending); err != nil {
				return err
			}
		}
	}
	return e.entries(ctx, uuid.Max)
}

// entries writes the entries of the seals that begin with the row or before it.
func (e *export) entries(ctx context.Context, row uuid.UUID) (err error) {
	for {
		if len(e.open) == 0 {
			if e.open, err = page(ctx, e, scanListed, `
				SELECT n, first_id, entries FROM seals
				WHERE rows > 0 AND (first_id, n) > ($1, $2) AND first_id < $3 AND last_id >= $4
				ORDER BY first_id, n LIMIT $5`, pgUUID(e.after.first), e.after.n, pgUUID(e.until), pgUUID(e.from), exportEntries); err != nil {
				return err
			}
			if len(e.open) == 0 {
				e.open = []listed{{first: uuid.Max}} // there are no more
			}
		}
		next := e.open[0]
		if next.n == 0 || bytes.Compare(next.first[:], row[:]) > 0 {
			return nil
		}
		if err := e.out.Entries(next.n, next.entries); err != nil {
			return err
		}
		e.after, e.open = next, e.open[1:]
	}
}

func scanListed(row pgx.CollectableRow) (l listed, err error) {
	err = row.Scan(&l.n, &l.first, &l.entries)
	return l, err
}

// lost writes the ids that wait for a seal and have no row.
func (e *export) lost(ctx context.Context) error {
	type waiting struct {
		id   uuid.UUID
		gone bool
	}
	scan := func(row pgx.CollectableRow) (w waiting, err error) {
		err = row.Scan(&w.id, &w.gone)
		return w, err
	}
	last, than := e.from, ">="
	for full := true; full; than = ">" {
		list, err := page(ctx, e, scan, `
			SELECT u.id, (SELECT true FROM ledger l WHERE l.id = u.id) IS NULL
			FROM unsealed u WHERE u.id `+than+` $1 ORDER BY u.id LIMIT $2`, pgUUID(last), exportRows)
		if err != nil {
			return err
		}
		full = len(list) == exportRows
		for _, w := range list {
			if last = w.id; w.gone && bytes.Compare(w.id[:], e.until[:]) < 0 {
				if err := e.out.Lost(w.id); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
