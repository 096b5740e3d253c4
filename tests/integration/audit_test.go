package integration

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// sealed has the worker seal what is in the ledger, by its schedule.
func (w *world) sealed(t *testing.T, db *pgx.Conn) {
	t.Helper()
	var waiting int64
	eventually(t, time.Minute, "all rows of the ledger sealed", func() bool {
		if err := w.temporal(t).ScheduleClient().GetHandle(t.Context(), "seal").Trigger(t.Context(), client.ScheduleTriggerOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		return db.QueryRow(t.Context(), `SELECT count(*) FROM unsealed`).Scan(&waiting) == nil && waiting == 0
	})
}

func TestAnAuditorProvesThatTheLedgerIsWhatItWas(t *testing.T) {
	w := stack(t)
	db, auditor := w.db(t, "superuser"), w.Tokens["auditor"]
	var ids []string
	for range 3 {
		ids = append(ids, w.ask(t.Context(), "enterprise", "/v1/messages", message("claude-opus-5-5", "hi", false)).id())
	}
	for _, id := range ids {
		w.inLedger(t, db, id)
	}
	w.sealed(t, db)

	file := filepath.Join(t.TempDir(), "ledger.ndjson")
	verify := func(want bool, says string, args ...string) (found struct {
		Head struct {
			N    json.Number
			Hash string
		}
	},
	) {
		t.Helper()
		if _, complaints, err := w.llmgw(t, auditor, "audit", "export", "--output", file); err != nil {
			t.Fatal(err, complaints)
		}
		out, complaints, err := w.llmgw(t, "", append([]string{"audit", "verify", file}, args...)...)
		if (err == nil) != want || !strings.Contains(out, says) {
			t.Fatalf("verify: %v, and not %q:\n%s%s", err, says, out, complaints)
		}
		if out, _, err = w.llmgw(t, "", append([]string{"audit", "verify", "--json", file}, args...)...); (err == nil) != want {
			t.Fatal(out)
		}
		if err := json.Unmarshal([]byte(out), &found); err != nil {
			t.Fatal(err)
		}
		return found
	}
	head := verify(true, "every row is as it was sealed").Head
	anchor := head.N.String() + ":" + head.Hash
	verify(true, anchor, "--anchor", anchor)

	// What somebody with the database may do is found, and gone when it is taken back.
	edit := func(sql string) {
		t.Helper()
		if _, err := db.Exec(t.Context(), strings.ReplaceAll(sql, "$1", "'"+ids[1]+"'")); err != nil {
			t.Fatal(err)
		}
	}
	edit(`CREATE TABLE kept AS SELECT * FROM ledger WHERE id = $1`)
	for says, sql := range map[string]string{
		"it was edited":  `UPDATE ledger SET charge_requests = 0 WHERE id = $1`,
		"it was deleted": `DELETE FROM ledger WHERE id = $1`,
	} {
		edit(sql)
		verify(false, "the first bad row is "+ids[1]+"\n  row "+ids[1]+": "+says)
		edit(`DELETE FROM ledger WHERE id = $1; INSERT INTO ledger SELECT * FROM kept`)
	}
	edit(`DROP TABLE kept`)
	verify(true, "every row is as it was sealed")
	other := strings.Repeat("0", 64)
	verify(false, "another than the one that was noted down", "--anchor", head.N.String()+":"+other)

	// Nobody signed, so whoever wants signatures is told.
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	pkix, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "seals.pub")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}), 0o600); err != nil {
		t.Fatal(err)
	}
	verify(false, "neither it nor any before it is signed", "--key", key)

	// The history of the workflow has the head, too, and the log.
	if text := w.logs(t); !strings.Contains(text, head.Hash) {
		t.Error("no log has the head of the chain")
	}
}

func TestTheLedgerIsForAuditorsAlone(t *testing.T) {
	w := stack(t)
	file := filepath.Join(t.TempDir(), "ledger.ndjson")
	if _, complaints, err := w.llmgw(t, w.mint(t, "enterprise"), "audit", "export", "--output", file); err == nil || !strings.Contains(complaints, "auditor") {
		t.Errorf("%v: %s", err, complaints)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was written")
	}
	out, complaints, err := w.llmgw(t, w.Tokens["auditor"], "audit", "export", "--from", "2026-01-01", "--to", "2026-01-02", "--output", "-")
	if err != nil || !strings.Contains(out, `"end":{"seals":`) || strings.Contains(out, `{"row"`) {
		t.Errorf("%v: %s%s", err, out, complaints)
	}
}

func TestTheOperatorHoldsAndErasesByCommand(t *testing.T) {
	w := stack(t)
	db := w.db(t, "superuser")
	token := w.mint(t, "pro")
	id := w.askAs(t.Context(), token, "/v1/messages", message("claude-haiku-5-5", "forget me", false)).id()
	w.inLedger(t, db, id)
	var subject string
	if err := db.QueryRow(t.Context(), `SELECT subject FROM ledger WHERE id = $1`, id).Scan(&subject); err != nil {
		t.Fatal(err)
	}
	// What other tests are held against has all bodies.
	if _, err := db.Exec(t.Context(), `CREATE TABLE kept AS SELECT * FROM bodies WHERE request_id = '`+id+`'`); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := db.Exec(t.Context(), `INSERT INTO bodies SELECT * FROM kept; DROP TABLE kept`); err != nil {
			t.Error(err)
		}
	}()
	root, err := stacktest.Root()
	if err != nil {
		t.Fatal(err)
	}
	worker := func(want bool, says string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "worker"), append([]string{"audit"}, args...)...)
		cmd.Env = []string{"LLMGW_DATABASE__URL=" + w.PostgresURLs["superuser"]}
		out, err := cmd.CombinedOutput()
		if (err == nil) != want || !strings.Contains(string(out), says) {
			t.Fatalf("worker audit %q: %v, and not %q:\n%s", args, err, says, out)
		}
		return string(out)
	}
	number := regexp.MustCompile(`hold (\d+) is in force`).FindStringSubmatch(worker(true, "is in force", "hold", "--subject", subject, "--reason", "case 7", "--by", "ann"))[1]
	worker(true, "case 7", "holds")
	worker(false, "hold "+number+" (case 7, by ann) covers", "erase", "--subject", subject, "--reason", "asked for")
	worker(false, `required flag(s) "reason" not set`, "release", number)
	worker(true, "hold "+number+" is over", "release", number, "--reason", "closed", "--by", "ann")
	worker(true, "would have erased 2 bodies", "erase", "--subject", subject, "--reason", "asked for", "--dry-run")
	worker(true, "erased 2 bodies", "erase", "--subject", subject, "--reason", "asked for", "--by", "ann")
	worker(false, "neither a date", "retire", "--table", "ledger", "--before", "yesterday", "--reason", "old")
	worker(true, "there is nothing to drop", "retire", "--table", "ledger", "--before", "2020-01-01", "--reason", "old", "--dry-run")
	w.sealed(t, db)

	file := filepath.Join(t.TempDir(), "ledger.ndjson.zst")
	if _, complaints, err := w.llmgw(t, w.Tokens["auditor"], "audit", "export", "--output", file); err != nil {
		t.Fatal(complaints)
	}
	out, complaints, err := w.llmgw(t, "", "audit", "verify", file)
	if err != nil || !strings.Contains(out, "2 bodies of "+subject+" of all times, by ann: asked for") {
		t.Errorf("%v: %s%s", err, out, complaints)
	}
}
