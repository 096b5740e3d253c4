// Command auditload proves that a large ledger can be checked: it fills a stack's ledger, has the worker seal it, exports it
// through a frontend and verifies it with llmgw. Then it edits one row by hand, and looks whether that is the one named.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// mostTime is what a million rows may take to be verified.
const mostTime = time.Minute

func main() {
	rows := flag.Int("rows", 1_000_000, "rows of the ledger")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rows); err != nil {
		fmt.Fprintln(os.Stderr, "auditload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rows int) (err error) {
	fmt.Println("starting a stack …")
	stack, err := stacktest.Start(ctx, "--set", "worker:worker.seal_interval=1s")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "llmgw-audit-")
	if err != nil {
		return errors.Join(err, stack.Close())
	}
	defer func() { err = errors.Join(err, stack.Close(), os.RemoveAll(dir)) }()
	db, err := pgx.Connect(ctx, stack.PostgresURLs["superuser"])
	if err != nil {
		return err
	}
	defer db.Close(context.WithoutCancel(ctx))

	if err := fill(ctx, db, rows); err != nil {
		return err
	}
	if err := awaitSeals(ctx, db); err != nil {
		return err
	}
	u := user{stack, filepath.Join(dir, "ledger.ndjson")}
	if err := u.export(ctx); err != nil {
		return err
	}
	found, took, err := u.verify(ctx)
	switch {
	case err != nil:
		return err
	case !found.OK || found.Rows != rows:
		return fmt.Errorf("of an untouched ledger of %d rows it says: %+v", rows, found)
	case took > mostTime:
		return fmt.Errorf("it took %s, and may take %s", took, mostTime)
	}

	var edited string
	if err := db.QueryRow(ctx, `UPDATE ledger SET charge_tokens = charge_tokens + 1
		WHERE id = (SELECT id FROM ledger ORDER BY id OFFSET $1 LIMIT 1) RETURNING id::text`, rows*2/3).Scan(&edited); err != nil {
		return err
	}
	fmt.Println("edited one row by hand:", edited)
	if err := u.export(ctx); err != nil {
		return err
	}
	found, _, err = u.verify(ctx)
	switch {
	case err != nil:
		return err
	case found.OK || found.Findings != 1 || found.FirstBad.Row != edited:
		return fmt.Errorf("of a ledger with one edited row it says: %+v", found)
	}
	fmt.Println("it is named:", found.FirstBad.What)
	return nil
}

// fill writes rows to the ledger as the worker's statements do: each waits for its seal.
func fill(ctx context.Context, db *pgx.Conn, rows int) error {
	const piece = 50_000
	begin := time.Now()
	for from := 0; from < rows; from += piece {
		_, err := db.Exec(ctx, `
			WITH written AS (
				INSERT INTO ledger (id, admitted_at, first_byte_at, ended_at, subject, user_name, tier, endpoint, dialect, stream, session,
					model_requested, model_routed, backend, status, http_status, error, stop_reason, upstream_id, input_tokens, output_tokens,
					cache_read_tokens, cache_write_tokens, usage_estimated, charge_requests, charge_tokens, reserved, window_start, window_reset,
					request_digest, response_digest, class, digest)
				SELECT (substr(uuid_floor(at)::text, 1, 14) || '7000-8000-' || lpad(to_hex(g), 12, '0'))::uuid, at, at + interval '1 second', at + interval '9 seconds',
					md5((g % 5000)::text), 'user-' || g % 5000, 'enterprise', 'messages', 'anthropic', true, md5((g % 50000)::text),
					'claude-opus-5-5', 'claude-opus-5-5', 'anthropic', 'completed', 200, '', 'end_turn', 'req_' || md5(g::text), g % 100000, g % 4000,
					g % 60000, 0, false, 1, g % 100000, true, date_trunc('day', at), date_trunc('day', at) + interval '1 day',
					sha256(g::text::bytea), sha256((-g)::text::bytea), 'opus', ''
				FROM generate_series($1::integer, $2::integer) g, LATERAL (SELECT date_trunc('month', now()) + g * interval '1 second' AS at) t
				RETURNING id
			)
			INSERT INTO unsealed SELECT id FROM written`, from+1, min(from+piece, rows))
		if err != nil {
			return err
		}
	}
	fmt.Printf("wrote %d rows in %s\n", rows, since(begin))
	return nil
}

func awaitSeals(ctx context.Context, db *pgx.Conn) error {
	begin := time.Now()
	for {
		var waiting, seals, bytes int64
		err := db.QueryRow(ctx, `SELECT (SELECT count(*) FROM unsealed), count(*), coalesce(sum(octet_length(entries)), 0) FROM seals`).Scan(&waiting, &seals, &bytes)
		if err != nil {
			return err
		}
		if waiting == 0 {
			fmt.Printf("the worker made %d seals of them in %s; they take %d MB\n", seals, since(begin), bytes>>20)
			return nil
		}
		if time.Since(begin) > 10*time.Minute {
			return fmt.Errorf("%d rows still wait for their seal", waiting)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// user is an auditor with llmgw.
type user struct {
	stack *stacktest.Stack
	file  string
}

func (u user) llmgw(ctx context.Context, args ...string) (*exec.Cmd, error) {
	root, err := stacktest.Root()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "bin", "llmgw"), args...)
	cmd.Env = append(os.Environ(), "LLMGW_URL="+u.stack.Gateway, "LLMGW_TOKEN="+u.stack.Tokens["auditor"])
	cmd.Stderr = os.Stderr
	return cmd, nil
}

func (u user) export(ctx context.Context) error {
	begin := time.Now()
	cmd, err := u.llmgw(ctx, "audit", "export", "--output", u.file)
	if err == nil {
		err = cmd.Run()
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	info, err := os.Stat(u.file)
	if err != nil {
		return err
	}
	fmt.Printf("exported %d MB in %s\n", info.Size()>>20, since(begin))
	return nil
}

// verdict is what llmgw audit verify --json says.
type verdict struct {
	OK       bool  `json:"ok"`
	Rows     int   `json:"rows"`
	Findings int64 `json:"findings"`
	FirstBad struct {
		Row  string `json:"row"`
		What string `json:"what"`
	} `json:"first_bad_row"`
}

func (u user) verify(ctx context.Context) (v verdict, took time.Duration, err error) {
	cmd, err := u.llmgw(ctx, "audit", "verify", "--json", u.file)
	if err != nil {
		return v, 0, err
	}
	begin := time.Now()
	out, err := cmd.Output()
	took = time.Since(begin)
	if ended, ok := errors.AsType[*exec.ExitError](err); ok && ended.ExitCode() == 1 && len(out) > 0 {
		err = nil // it has found something
	}
	if err != nil {
		return v, took, fmt.Errorf("verify: %w", err)
	}
	memory := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10 //nolint:forcetypeassert // it is, on every Unix
	fmt.Printf("verified it in %s with %d MB of memory\n", took.Round(10*time.Millisecond), memory)
	return v, took, json.Unmarshal(out, &v)
}

func since(begin time.Time) time.Duration { return time.Since(begin).Round(100 * time.Millisecond) }
