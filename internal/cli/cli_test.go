package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"llmgw": llmgw})
}

// llmgw is the command with a clock of its own: a pause is over at once. COLUMNS makes it see a terminal, INTERRUPT a
// Ctrl-C in so many pauses; LATER is for how long the clock has run, KEYRING a directory that is the keyring.
func llmgw() {
	ctx, interrupt := context.WithCancel(context.Background())
	later, _ := time.ParseDuration(os.Getenv("LATER"))
	now := start.Add(later)
	var mu sync.Mutex // an upload looks at the clock, too
	pauses, _ := strconv.Atoi(os.Getenv("INTERRUPT"))
	code := cli.Run(ctx, cli.System{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv,
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(d)
			if pauses--; pauses == 0 {
				interrupt()
			}
			return ctx.Err()
		},
		Columns: func() int {
			columns, _ := strconv.Atoi(os.Getenv("COLUMNS"))
			return columns
		},
		ConfigDir: os.UserConfigDir, HomeDir: os.UserHomeDir, Keyring: keyring(),
	}, os.Args[1:])
	os.Exit(code)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			g := newFakeGateway()
			env.Defer(g.Close)
			env.Values["gateway"] = g
			i := newFakeIssuer()
			env.Defer(i.Close)
			env.Values["issuer"], g.issuer = i, i.URL
			env.Setenv("HOME", env.WorkDir+"/home")
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			env.Setenv("ISSUER", i.URL)
			env.Setenv("LLMGW_URL", g.URL)
			env.Setenv("LLMGW_TOKEN", "good")
			env.Setenv("ID", "msgbatch_"+strings.Repeat("0", 31)+"1")
			env.Setenv("ID2", "batch_"+strings.Repeat("0", 31)+"1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "fake": fake, "seen": seen, "issuer": issuer,
		},
		UpdateScripts: os.Getenv("UPDATE") != "",
	})
}

// exits CODE ARG…: llmgw ends with the code. Its output is compared as usual.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("llmgw", args[1:]...)
	code := 0
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// fake progress FILE: what looks at a batch see, one JSON object after the other
// fake pace LOOKS ITEMS…: in so many looks so many more items have succeeded each time
// fake pages FILE: the list of batches
// fake results FILE
// fake refuses N STATUS [HEADER VALUE]…: the next calls
// fake passes N: the next calls, before what is said here
// fake loses N: the answers of the next calls
// fake cuts BYTES…: the next results
// fake wants TOKEN
// fake says PATH FILE: its answer there
func fake(ts *testscript.TestScript, _ bool, args []string) {
	g := ts.Value("gateway").(*fakeGateway)
	g.mu.Lock()
	defer g.mu.Unlock()
	numbers := func(from int) (list []int) {
		for _, arg := range args[from:] {
			n, err := strconv.Atoi(arg)
			ts.Check(err)
			list = append(list, n)
		}
		return list
	}
	switch args[0] {
	case "progress":
		g.progress = nil
		for d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[1]))); d.More(); {
			var step json.RawMessage
			ts.Check(d.Decode(&step))
			g.progress = append(g.progress, step)
		}
	case "pages":
		g.pages = nil
		for d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[1]))); d.More(); {
			var page api.BatchList
			ts.Check(d.Decode(&page))
			g.pages = append(g.pages, page)
		}
	case "results":
		g.results = ts.ReadFile(args[1])
	case "refuses":
		header := map[string]string{}
		for i := 3; i+1 < len(args); i += 2 {
			header[args[i]] = args[i+1]
		}
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		status, err := strconv.Atoi(args[2])
		ts.Check(err)
		g.refuse(n, status, header)
	case "pace":
		g.progress = paced(numbers(1))
	case "passes":
		g.pass = numbers(1)[0]
	case "loses":
		g.lose = numbers(1)[0]
	case "cuts":
		g.cut = numbers(1)
	case "says":
		g.says[args[1]] = ts.ReadFile(args[2])
	case "wants":
		g.token = args[1]
	default:
		ts.Fatalf("fake %s?", args[0])
	}
}

// paced is a batch that goes on at a pace, then at another.
func paced(looks []int) (steps []json.RawMessage) {
	counts := api.Counts{Total: 10_000}
	for i := 0; i+1 < len(looks); i += 2 {
		for range looks[i] {
			counts.Succeeded += looks[i+1]
			step, _ := json.Marshal(map[string]any{"counts": counts})
			steps = append(steps, step)
		}
	}
	return append(steps, json.RawMessage(`{"state":"ended","end":"completed"}`))
}

// seen FILE: writes down what the gateway was asked since the last time.
func seen(ts *testscript.TestScript, _ bool, args []string) {
	g := ts.Value("gateway").(*fakeGateway)
	g.mu.Lock()
	defer g.mu.Unlock()
	text := strings.Join(g.requests, "\n") + "\n"
	g.requests = nil
	ts.Check(os.WriteFile(filepath.Clean(ts.MkAbs(args[0])), []byte(text), 0o600))
}

// issuer polls N: a device asks so often before its user has agreed
// issuer refuses CODE: what it is asked for a token; "" ends that
// issuer away | back
// issuer mute: it gives no refresh tokens
// issuer lives SECONDS: its access tokens
// issuer asked FILE: writes down what it was asked since the last time
func issuer(ts *testscript.TestScript, _ bool, args []string) {
	i := ts.Value("issuer").(*fakeIssuer)
	i.mu.Lock()
	defer i.mu.Unlock()
	var err error
	switch args[0] {
	case "polls":
		i.polls, err = strconv.Atoi(args[1])
	case "refuses":
		i.refuse = args[1]
	case "away", "back":
		i.away = args[0] == "away"
	case "mute":
		i.mute = true
	case "lives":
		i.life, err = strconv.Atoi(args[1])
	case "asked":
		err = os.WriteFile(filepath.Clean(ts.MkAbs(args[1])), []byte(strings.Join(i.asked, "\n")+"\n"), 0o600)
		i.asked = nil
	default:
		ts.Fatalf("issuer %s?", args[0])
	}
	ts.Check(err)
}
