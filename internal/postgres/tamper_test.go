package postgres_test

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
	"github.com/openova-io/llm-gateway/internal/seal"
)

// tampering is a ledger of three seals of four rows each, and two rows that wait.
type tampering struct {
	*stack
	ids  []uuid.UUID
	head *seal.Seal
}

func newTampering(t *testing.T) *tampering {
	t.Helper()
	s := start(t)
	var ids []uuid.UUID
	for range 3 {
		ids = append(ids, s.sealed(t, 4)...)
	}
	return &tampering{s, append(ids, s.unsealed(t, 2)...), s.fine(t, 14, 3, 2).Head}
}

// with replaces $0, $1, … by the ids.
func (tp *tampering) with(sql string) string {
	for i := len(tp.ids) - 1; i >= 0; i-- {
		sql = strings.ReplaceAll(sql, fmt.Sprintf("$%d", i), "'"+tp.ids[i].String()+"'")
	}
	return sql
}

func TestWhatWasDoneToARowIsFoundAndTheFirstBadRowNamed(t *testing.T) {
	const (
		newID   = `'00000000-0000-7000-8000-000000000001'::uuid`
		another = `(jsonb_populate_record(l, jsonb_build_object('id', ` + newID + `))).*`
		redone  = `digest = sha256(convert_to(ledger_text(l), 'UTF8'))`
	)
	for name, c := range map[string]struct {
		sql   string
		first int    // place of the first bad row; -1 is the new one
		bad   int64  // rows
		says  string // of the first
	}{
		"edited":                        {`UPDATE ledger SET charge_tokens = 0 WHERE id = $5`, 5, 1, "it was edited: it does not have the digest beside it"},
		"edited with its digest":        {`UPDATE ledger l SET subject = 'x' WHERE id = $5; UPDATE ledger l SET ` + redone + ` WHERE id = $5`, 5, 1, "the digest beside it with it"},
		"its digest edited":             {`UPDATE ledger SET digest = sha256('x') WHERE id = $5`, 5, 1, "the digest beside it was edited"},
		"its digest taken away":         {`UPDATE ledger SET digest = '' WHERE id = $5`, 5, 1, "the digest beside it was edited"},
		"edited, and any digest put in": {`UPDATE ledger SET digest = sha256('x'), tier = 'x' WHERE id = $5`, 5, 1, "neither"},
		"edited while it waits":         {`UPDATE ledger SET tier = 'x' WHERE id = $12`, 12, 1, "before it was sealed"},
		"all edited":                    {`UPDATE ledger SET tier = 'x'`, 0, 14, "it was edited"},
		"a time made infinite":          {`UPDATE ledger SET ended_at = 'infinity' WHERE id = $3`, 3, 1, "it was edited"},
		"deleted":                       {`DELETE FROM ledger WHERE id = $6`, 6, 1, "it was deleted: seal 2 lists it"},
		"the first deleted":             {`DELETE FROM ledger WHERE id = $0`, 0, 1, "it was deleted"},
		"the last that is sealed":       {`DELETE FROM ledger WHERE id = $11`, 11, 1, "it was deleted"},
		"deleted while it waits":        {`DELETE FROM ledger WHERE id = $13`, 13, 1, "deleted before it was sealed"},
		"all deleted":                   {`DELETE FROM ledger`, 0, 14, "it was deleted"},
		"deleted and another edited":    {`DELETE FROM ledger WHERE id = $9; UPDATE ledger SET tier = 'x' WHERE id = $2`, 2, 2, "it was edited"},
		"a copy put in, in the past":    {`INSERT INTO ledger SELECT ` + another + ` FROM ledger l WHERE id = $5`, -1, 1, "it was put in"},
		"a copy put in with its digest": {`INSERT INTO ledger SELECT ` + another + ` FROM ledger l WHERE id = $5; UPDATE ledger l SET ` + redone + ` WHERE id = ` + newID, -1, 1, "it was put in"},
		"a copy put in now":             {`INSERT INTO ledger SELECT (jsonb_populate_record(l, jsonb_build_object('id', ` + newID + `, 'recorded_at', now(), 'digest', '\x'))).* FROM ledger l WHERE id = $5`, -1, 1, "it was put in"},
		"a copy put in in place of one": {`DELETE FROM ledger WHERE id = $3; INSERT INTO ledger SELECT (jsonb_populate_record(l, jsonb_build_object('id', $3))).* FROM ledger l WHERE id = $5`, 3, 1, "it was edited"},
		"two ids swapped":               {`UPDATE ledger SET id = ` + newID + ` WHERE id = $2; UPDATE ledger SET id = $2 WHERE id = $7; UPDATE ledger SET id = $7 WHERE id = ` + newID, 2, 2, "the row $7 was put in its place"},
		"two ids swapped, digests redone": {`UPDATE ledger SET id = ` + newID + ` WHERE id = $2; UPDATE ledger SET id = $2 WHERE id = $7; UPDATE ledger SET id = $7 WHERE id = ` + newID +
			`; UPDATE ledger l SET ` + redone, 2, 2, "the digest beside it with it"},
		"an id changed": {`UPDATE ledger SET id = ` + newID + ` WHERE id = $4`, -1, 2, "it was put in"},
		"contents swapped": {`CREATE TEMP TABLE a AS SELECT * FROM ledger WHERE id IN ($1, $8);
			DELETE FROM ledger WHERE id IN ($1, $8);
			INSERT INTO ledger SELECT (jsonb_populate_record(a, jsonb_build_object('id', CASE a.id WHEN $1 THEN $8 ELSE $1 END))).* FROM a`, 1, 2, "the row $8 was put in its place"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tp := newTampering(t)
			tp.Exec(t, `UPDATE ledger SET tier = tier`) // that is no change
			tp.Exec(t, tp.with(c.sql))
			r := tp.verify(t, seal.Options{})
			first := uuid.MustParse("00000000-0000-7000-8000-000000000001")
			if c.first >= 0 {
				first = tp.ids[c.first]
			}
			says := strings.ReplaceAll(tp.with(c.says), "'", "")
			if r.Bad != c.bad || len(r.BadSeals) != 0 || r.BadRows[0].Row != first || !strings.Contains(r.BadRows[0].What, says) {
				t.Fatalf("found %d: %+v %+v\nwant %d, the first %s: %s", r.Bad, r.BadRows, r.BadSeals, c.bad, first, says)
			}
		})
	}
}

func TestAnEditOfAnyColumnIsFound(t *testing.T) {
	tp := newTampering(t)
	conn := connect(t, tp.URL(postgrestest.Superuser))
	changes := map[string]string{
		"uuid": `'00000000-0000-7000-8000-000000000009'`, "text": `'edited'`, "boolean": `NOT coalesce(%[1]s, false)`, "bigint": `coalesce(%[1]s, 0) + 1`,
		"integer": `coalesce(%[1]s, 0) + 1`, "timestamp with time zone": `coalesce(%[1]s, now()) + interval '1 microsecond'`, "bytea": `coalesce(%[1]s, '') || 'x'`,
	}
	rows, err := conn.Query(t.Context(), `
		SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
		WHERE attrelid = 'ledger'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'status'`)
	if err != nil {
		t.Fatal(err)
	}
	type column struct{ Name, Type string }
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil || len(columns) < 39 {
		t.Fatal(columns, err)
	}
	edits := map[string]string{"status": `status = 'failed'`}
	for _, c := range columns {
		change := changes[c.Type]
		if strings.Contains(change, "%") {
			change = fmt.Sprintf(change, c.Name)
		}
		edits[c.Name] = c.Name + " = " + change
	}
	for name, edit := range edits {
		tp.Exec(t, tp.with(`CREATE TABLE kept AS SELECT * FROM ledger WHERE id = $5; UPDATE ledger SET `+edit+` WHERE id = $5`))
		r := tp.verify(t, seal.Options{})
		bad := r.Bad == 1 && r.BadRows[0].Row == tp.ids[5]
		if name == "id" {
			bad = r.Bad == 2 && r.BadRows[1].Row == tp.ids[5]
		}
		if !bad {
			t.Errorf("%s: found %+v", edit, r.BadRows)
		}
		tp.Exec(t, tp.with(`DELETE FROM ledger WHERE id = $5 OR id = '00000000-0000-7000-8000-000000000009'; INSERT INTO ledger SELECT * FROM kept; DROP TABLE kept`))
	}
	tp.fine(t, 14, 3, 2)
}

func TestWhatWasDoneToASealIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		sql  string
		seal int64
		says string
	}{
		"its entries edited":        {`UPDATE seals SET entries = overlay(entries placing 'x' from 20) WHERE n = 2`, 2, "its root is not theirs"},
		"its entries taken away":    {`UPDATE seals SET entries = '' WHERE n = 2`, 2, "its root is not theirs"},
		"an entry taken away":       {`UPDATE seals SET entries = substr(entries, 49) WHERE n = 2`, 2, "its root is not theirs"},
		"its entries reordered":     {`UPDATE seals SET entries = substr(entries, 49) || substr(entries, 1, 48) WHERE n = 2`, 2, "its root is not theirs"},
		"its root edited":           {`UPDATE seals SET root = sha256('x') WHERE n = 2`, 2, "its hash is not that"},
		"its hash edited":           {`UPDATE seals SET hash = sha256('x') WHERE n = 2`, 2, "its hash is not that"},
		"its hash cut":              {`UPDATE seals SET hash = 'x' WHERE n = 2`, 2, "its hash is not that"},
		"its time edited":           {`UPDATE seals SET sealed_at = sealed_at - interval '1 second' WHERE n = 2`, 2, "its hash is not that"},
		"its time made infinite":    {`UPDATE seals SET sealed_at = '-infinity' WHERE n = 2`, 2, "its hash is not that"},
		"its notes edited":          {`UPDATE seals SET notes = '[{"kind":"retire","table":"ledger","before":"2999-01-01T00:00:00Z"}]' WHERE n = 2`, 2, "its hash is not that"},
		"its first id edited":       {`UPDATE seals SET first_id = '00000000-0000-0000-0000-000000000001' WHERE n = 2`, 2, "its hash is not that"},
		"its number of rows edited": {`UPDATE seals SET rows = 0 WHERE n = 2`, 2, "its hash is not that"},
		"its predecessor edited":    {`UPDATE seals SET previous = sha256('x') WHERE n = 2`, 2, "and seal 1 has"},
		"the first one's, too":      {`UPDATE seals SET previous = sha256('x') WHERE n = 1`, 1, "it is the first"},
		"one taken away":            {`DELETE FROM seals WHERE n = 2`, 3, "the seals between 1 and this one are missing"},
		"the first taken away":      {`DELETE FROM seals WHERE n = 1`, 2, "the 1 before it are missing"},
		"two swapped":               {`UPDATE seals SET n = 9 WHERE n = 2; UPDATE seals SET n = 2 WHERE n = 3; UPDATE seals SET n = 3 WHERE n = 9`, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tp := newTampering(t)
			tp.Exec(t, c.sql)
			if r := tp.verify(t, seal.Options{}); len(r.BadSeals) == 0 || r.BadSeals[0].Seal != c.seal || !strings.Contains(fmt.Sprint(r.BadSeals), c.says) {
				t.Errorf("found %+v; want seal %d: %s", r.BadSeals, c.seal, c.says)
			}
		})
	}
}

func TestRowsOfASealThatWasTakenAwayAreNamed(t *testing.T) {
	for gone, want := range map[string]int{"3": 8, "2": 4, "1": 0, "1, 2, 3": 0} {
		tp := newTampering(t)
		tp.Exec(t, `DELETE FROM seals WHERE n IN (`+gone+`)`)
		if r := tp.verify(t, seal.Options{}); len(r.BadRows) == 0 || r.BadRows[0].Row != tp.ids[want] {
			t.Errorf("without %s: found %+v", gone, r.BadRows)
		}
	}
}

// Whoever has the database may seal anew what was edited. Who noted a hash, or has the public key, finds it.
func TestAChainThatWasMadeAnewIsFoundByWhatWasNotedDown(t *testing.T) {
	tp := newTampering(t)
	noted := seal.Options{Anchors: map[int64]seal.Digest{tp.head.N: tp.head.Hash}}
	if r := tp.verify(t, noted); r.Bad != 0 {
		t.Fatalf("found %+v", r.BadSeals)
	}
	tp.Exec(t, tp.with(`UPDATE ledger SET subject = 'x' WHERE id = $1; UPDATE ledger l SET digest = sha256(convert_to(ledger_text(l), 'UTF8'));
		INSERT INTO unsealed SELECT id FROM ledger ON CONFLICT DO NOTHING; DELETE FROM seals`))
	for range 3 {
		if _, err := tp.worker.Seal(t.Context(), 4, nil); err != nil {
			t.Fatal(err)
		}
	}
	tp.fine(t, 14, 3, 2) // by itself it cannot be told
	if r := tp.verify(t, noted); r.Bad != 1 || r.BadSeals[0].Seal != 3 || !strings.Contains(r.BadSeals[0].What, "another than the one that was noted down") {
		t.Errorf("found %+v", r.BadSeals)
	}
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if r := tp.verify(t, seal.Options{Keys: []ed25519.PublicKey{public}}); r.Bad != 1 || !strings.Contains(r.BadSeals[0].What, "neither it nor any before it is signed") {
		t.Errorf("found %+v", r.BadSeals)
	}
}

func TestAChainThatWasCutOffIsFoundByWhatWasNotedDown(t *testing.T) {
	tp := newTampering(t)
	tp.Exec(t, tp.with(`DELETE FROM seals WHERE n = 3; DELETE FROM ledger WHERE id >= $8; DELETE FROM unsealed`))
	tp.fine(t, 8, 2, 0)
	r := tp.verify(t, seal.Options{Anchors: map[int64]seal.Digest{3: tp.head.Hash}})
	if r.Bad != 1 || !strings.Contains(r.BadSeals[0].What, "cut off behind seal 2") {
		t.Errorf("found %+v", r.BadSeals)
	}
}

func TestARowThatIsGoneWhenItIsSealedIsNamedEverAfter(t *testing.T) {
	tp := newTampering(t)
	tp.Exec(t, tp.with(`CREATE TABLE kept AS SELECT * FROM ledger WHERE id = $12; DELETE FROM ledger WHERE id = $12`))
	if made := tp.seal(t); made.Gone != 1 || made.Rows != 2 {
		t.Errorf("the seal is %+v; want it to tell that a row was gone", made)
	}
	if r := tp.verify(t, seal.Options{}); r.Bad != 1 || r.BadRows[0].Row != tp.ids[12] || !strings.Contains(r.BadRows[0].What, "before seal 4 was made") {
		t.Errorf("found %+v", r.BadRows)
	}
	tp.Exec(t, `INSERT INTO ledger SELECT * FROM kept`)
	if r := tp.verify(t, seal.Options{}); r.Bad != 1 || r.BadRows[0].Row != tp.ids[12] || !strings.Contains(r.BadRows[0].What, "it was put in") {
		t.Errorf("found %+v", r.BadRows)
	}
}
