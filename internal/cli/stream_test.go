package cli_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/cli"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

func TestALargeFileIsStreamed(t *testing.T) {
	for _, test := range []struct {
		dialect     string
		items, size int
		line        string
	}{
		{"anthropic", 100_000, 250, `{"custom_id":"item-%d","params":{"model":"m","messages":[{"role":"user","content":"%s"}]}}`},
		{"openai", 25_000, 1_000, `{"custom_id":"item-%d","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[{"role":"user","content":"%s"}]}}`},
	} {
		t.Run(test.dialect, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "prompts.jsonl")
			writeLines(t, path, test.items, func(n int) string { return fmt.Sprintf(test.line, n, strings.Repeat("x", test.size)) })
			before := heap()
			held, got := uint64(0), 0
			look := func() {
				if got++; got == test.items/2 { // whoever holds the file holds it now
					held = heap() - min(before, heap())
				}
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/v1/messages/batches":
					_, err := anthropic.ReadBatch(r.Body, anthropic.BatchLimits{Items: test.items, ItemBytes: 1 << 20}, func(int, string, []byte) error { look(); return nil })
					check(t, err)
					write(w, anthropic.MessageBatch(&gateway.Batch{ID: numbered(1), Endpoint: gateway.Messages}, ""))
				case "/v1/files":
					check(t, readFile(r, look))
					write(w, openai.FileObject(&gateway.File{ID: numbered(1)}))
				default:
					write(w, openai.Batch(&gateway.Batch{ID: numbered(1), Endpoint: gateway.Chat}))
				}
			}))
			defer server.Close()
			if code := run(t.Context(), t, server.URL, "batch", "submit", path); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			if got != test.items {
				t.Errorf("the gateway got %d items", got)
			}
			// The names of all items are held, on both sides of the connection, to see one that is used twice.
			if held > 20<<20 {
				t.Errorf("%d MB are held in the midst of the upload of %d MB", held>>20, test.items*test.size>>20)
			}
		})
	}
}

func TestAFileThatChangesWhileItIsSentMakesNoBatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prompts.jsonl")
	line := func(n int) string { return fmt.Sprintf(`{"custom_id":"%d","params":{"model":"m"}}`, n) }
	for name, change := range map[string]int{"it grows": 60_000, "it shrinks": 30_000} {
		t.Run(name, func(t *testing.T) {
			writeLines(t, path, 40_000, line) // more than all buffers on the way take
			var calls []error
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				writeLines(t, path, change, line)
				_, err := io.Copy(io.Discard, r.Body)
				calls = append(calls, err)
				panic(http.ErrAbortHandler)
			}))
			code := run(t.Context(), t, server.URL, "batch", "submit", path)
			server.Close()
			if code != 1 || len(calls) != 1 || calls[0] == nil {
				t.Errorf("exit code %d; bodies that the gateway was sent ended with %v", code, calls)
			}
		})
	}
}

func TestCtrlCInTheMidstOfALookOnlyStopsWatching(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	}))
	defer server.Close()
	if code := run(ctx, t, server.URL, "batch", "watch", gateway.PublicBatchID(gateway.OpenAI, numbered(1))); code != 130 {
		t.Errorf("exit code %d", code)
	}
}

// run carries out a command line, without pauses.
func run(ctx context.Context, t *testing.T, url string, args ...string) int {
	t.Helper()
	return cli.Run(ctx, cli.System{
		In: strings.NewReader(""), Out: io.Discard, Err: t.Output(), Now: time.Now, Columns: func() int { return 0 },
		Getenv: func(name string) string {
			return map[string]string{"LLMGW_URL": url, "LLMGW_TOKEN": "good"}[name]
		},
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}, args)
}

// readFile reads the file of a multipart form line by line.
func readFile(r *http.Request, line func()) error {
	form, err := r.MultipartReader()
	if err != nil {
		return err
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if part.FormName() != "file" {
			continue
		}
		lines := openai.NewLines(1<<20, openai.Position{}, func(int, []byte) error { line(); return nil })
		if _, err := io.Copy(lines, part); err != nil {
			return err
		}
	}
}

func writeLines(t *testing.T, path string, n int, line func(n int) string) {
	f, err := os.Create(path)
	check(t, err)
	w := bufio.NewWriter(f)
	for i := range n {
		fmt.Fprintln(w, line(i))
	}
	check(t, errors.Join(w.Flush(), f.Close()))
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
