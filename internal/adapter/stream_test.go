package adapter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
	"github.com/openova-io/llm-gateway/internal/sse"
)

func TestAStreamThatIsCutNeverEndsCleanly(t *testing.T) {
	for _, backend := range dialects() {
		// The request says where to cut, and how: by breaking the connection, or by an end that looks like one.
		upstream := newService(t, func(w http.ResponseWriter, r *http.Request) {
			name, at, _ := strings.Cut(r.Header.Get("User-Agent"), " ")
			n, err := strconv.Atoi(at)
			if err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write(file(t, name)[:n])
			if _ = http.NewResponseController(w).Flush(); n%2 == 0 {
				panic(http.ErrAbortHandler)
			}
		})
		base := start(t, environment(backend, upstream.URL))
		name := string(backend) + "_text.sse"
		whole := len(file(t, name)) - 1 // the last event ends with its blank line
		for _, client := range dialects() {
			for n := range whole + 2 {
				res, body := post(t, base+endpoint(client), prompt(client, "served", true, false), "User-Agent", name+" "+strconv.Itoa(n))
				got := understand(t, client, true, body)
				if res.StatusCode != http.StatusOK || got.complete != (n > whole) || (got.failure == "") != (n > whole) {
					t.Fatalf("%s cut at %d of %d, %s client: %d %+v of\n%s", name, n, whole, client, res.StatusCode, got, body)
				}
			}
		}
	}
}

func TestAnErrorInTheMidstOfAStreamReachesTheClientInItsDialect(t *testing.T) {
	failures := map[gateway.Dialect]string{
		gateway.Anthropic: "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded now\"}}\n\n",
		gateway.OpenAI:    "data: {\"error\":{\"message\":\"Overloaded now\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
	}
	for _, backend := range dialects() {
		upstream := newService(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			begun, _, _ := strings.Cut(string(file(t, string(backend)+"_text.sse")), "there.")
			_, _ = io.WriteString(w, begun[:strings.LastIndex(begun, "\n\n")+2]+failures[backend])
		})
		base := start(t, environment(backend, upstream.URL))
		for _, client := range dialects() {
			_, body := post(t, base+endpoint(client), prompt(client, "served", true, false))
			got := understand(t, client, true, body)
			if got.complete || got.text != "Hello" || !strings.Contains(got.failure, "Overloaded now") || strings.Count(body, `"error":{`) != 1 {
				t.Errorf("%s backend, %s client: %+v of\n%s", backend, client, got, body)
			}
		}
	}
}

func TestEachEventIsSentAtOnce(t *testing.T) {
	for _, backend := range dialects() {
		for _, client := range dialects() {
			events := strings.SplitAfter(string(file(t, string(backend)+"_text.sse")), "\n\n")
			next := make(chan struct{})
			upstream := newService(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				for _, event := range events {
					_, _ = io.WriteString(w, event)
					_ = http.NewResponseController(w).Flush()
					if strings.Contains(event, "Hello") { // the rest waits until the client has this
						select {
						case <-next:
						case <-r.Context().Done():
							return
						}
					}
				}
			})
			res := open(t.Context(), t, start(t, environment(backend, upstream.URL)), client)
			told := bufio.NewScanner(res.Body)
			for told.Scan() && !strings.Contains(told.Text(), "Hello") {
			}
			if !strings.Contains(told.Text(), "Hello") {
				t.Fatalf("%s backend, %s client: the first piece did not come", backend, client)
			}
			close(next)
			var rest strings.Builder
			for told.Scan() {
				rest.WriteString(told.Text() + "\n")
			}
			if got := understand(t, client, true, rest.String()); got.text != " there." || !got.complete {
				t.Errorf("%s backend, %s client: after the first piece came %+v", backend, client, got)
			}
		}
	}
}

// open begins a streamed request.
func open(ctx context.Context, t *testing.T, base string, client gateway.Dialect) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+endpoint(client), strings.NewReader(prompt(client, "served", true, false)))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestSilenceIsFilledWithPingsAndEndsInAnError(t *testing.T) {
	pings := map[gateway.Dialect]string{gateway.Anthropic: string(anthropic.Ping()), gateway.OpenAI: string(openai.Ping())}
	for _, backend := range dialects() {
		for _, client := range dialects() {
			upstream := newService(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			env := environment(backend, upstream.URL)
			env["PING_INTERVAL"], env["IDLE_TIMEOUT"] = "20ms", "300ms"
			_, body := post(t, start(t, env)+endpoint(client), prompt(client, "served", true, false))
			if n := strings.Count(body, pings[client]); n < 2 {
				t.Errorf("%s backend, %s client: %d pings in %q", backend, client, n, body)
			}
			if got := understand(t, client, true, body); got.complete || !strings.Contains(got.failure, "sent nothing for 300ms") {
				t.Errorf("%s backend, %s client: %+v", backend, client, got)
			}
		}
	}
}

func TestNoPingIsPutIntoTheMidstOfAnEvent(t *testing.T) {
	for _, part := range []string{"", "da", `data: {"type":"message_sta`, "data: {}\n"} {
		upstream := newService(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "event: message_start\n"+part)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		env := environment(gateway.Anthropic, upstream.URL)
		env["PING_INTERVAL"], env["IDLE_TIMEOUT"] = "10ms", "100ms"
		_, body := post(t, start(t, env)+"/v1/messages", prompt(gateway.Anthropic, "served", true, false))
		var events sse.Decoder
		var names []string
		for event, err := range events.Feed([]byte(body)) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, event.Name)
		}
		if !slices.Equal(names, []string{"error"}) || events.Pending() {
			t.Errorf("cut at %q: the client has the events %q, of %q", part, names, body)
		}
	}
}

func TestAClientThatLeavesEndsTheBackendsCall(t *testing.T) {
	for _, client := range dialects() {
		begun, ended := make(chan struct{}), make(chan struct{})
		upstream := newService(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write(file(t, "anthropic_text.sse")[:400])
			_ = http.NewResponseController(w).Flush()
			close(begun)
			<-r.Context().Done()
			close(ended)
		})
		base := start(t, environment(gateway.Anthropic, upstream.URL))
		ctx, leave := context.WithCancel(t.Context())
		open(ctx, t, base, client)
		<-begun
		leave()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatalf("%s client: the backend goes on", client)
		}
		want := fmt.Sprintf(`adapter_stream_duration_seconds_count{end="left",path="%s"} 1`, endpoint(client))
		eventually(t, func() error {
			if _, body := get(t, base+"/metrics"); !strings.Contains(body, want) || strings.Contains(body, "adapter_backend_errors_total{") {
				return errors.New("the metrics do not have " + want)
			}
			return nil
		})
	}
}

// eventually waits until nothing is wrong any more.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
