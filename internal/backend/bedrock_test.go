package backend

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// newTestBedrock makes a backend of kind bedrock before the handler, with credentials from the environment.
func newTestBedrock(t *testing.T, h http.HandlerFunc) Backend {
	t.Helper()
	nowhere := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere, "AWS_BEARER_TOKEN_BEDROCK": "", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	upstream := httptest.NewServer(h)
	t.Cleanup(upstream.Close)
	transport := NewTransport(config.Default().Upstream)
	t.Cleanup(transport.CloseIdleConnections)
	be, err := New(config.Backend{Name: "b", Kind: config.KindBedrock, Region: "eu-central-1", BaseURL: upstream.URL}, Environment{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return be
}

// frame is an event frame as AWS sends it. Headers come in pairs of name and value.
func frame(t testing.TB, payload string, headers ...string) []byte {
	t.Helper()
	m := eventstream.Message{Payload: []byte(payload)}
	for i := 0; i < len(headers); i += 2 {
		m.Headers.Set(headers[i], eventstream.StringValue(headers[i+1]))
	}
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func chunk(t testing.TB, event string) []byte {
	t.Helper()
	payload := fmt.Sprintf(`{"bytes":%q,"p":"abcdefgh"}`, base64.StdEncoding.EncodeToString([]byte(event)))
	return frame(t, payload, ":event-type", "chunk", ":content-type", "application/json", ":message-type", "event")
}

func exception(t testing.TB, name, message string) []byte {
	t.Helper()
	return frame(t, fmt.Sprintf(`{"message":%q}`, message), ":exception-type", name, ":content-type", "application/json", ":message-type", "exception")
}

const (
	start = `{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":3}}}`
	delta = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hé"}}`
	stop  = `{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3}}`

	startEvent = "event: message_start\ndata: " + start + "\n\n"
	deltaEvent = "event: content_block_delta\ndata: " + delta + "\n\n"
	stopEvent  = "event: message_stop\ndata: " + stop + "\n\n"
)

func TestBedrockIsAskedInItsOwnWay(t *testing.T) {
	const sent = `{"model":"M","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"anthropic_version":"x","thinking":{"budget_tokens":2000},"stream":true,"odd" : [1.50]}`
	const rest = `"messages":[{"role":"user","content":"hi"}],"thinking":{"budget_tokens":2000},"odd" : [1.50]}`
	for name, c := range map[string]struct {
		call       Call
		sent       string
		path, body string
	}{
		"streamed": {
			Call{Endpoint: gateway.Messages, Stream: true, Model: "us.anthropic.claude-x-v1:0"},
			sent,
			"/model/us.anthropic.claude-x-v1%3A0/invoke-with-response-stream", `{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["a","b"],"max_tokens":9,` + rest,
		},
		"whole, by the ARN of a profile": {
			Call{Endpoint: gateway.Messages, Model: "arn:aws:bedrock:eu-central-1:1:application-inference-profile/p"},
			sent,
			"/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A1%3Aapplication-inference-profile%2Fp/invoke", `{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["a","b"],"max_tokens":9,` + rest,
		},
		"counted": {
			Call{Endpoint: gateway.CountTokens, Model: "us.anthropic.claude-x-v1:0"},
			strings.Replace(sent, `"max_tokens":9,`, "", 1),
			"/model/anthropic.claude-x-v1%3A0/count-tokens", `{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["a","b"],"max_tokens":2001,` + rest,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got *http.Request
			var gotBody []byte
			be := newTestBedrock(t, func(w http.ResponseWriter, r *http.Request) {
				got, gotBody = r.Clone(context.Background()), nil
				gotBody, _ = io.ReadAll(r.Body)
				w.Header().Set("X-Amzn-Requestid", "aws-1")
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"inputTokens":7}`)
			})
			var pool Pool
			call := c.call
			call.ID, call.Body = "id-1", body(t, &pool, c.sent)
			call.Header = http.Header{"Anthropic-Beta": {"a, b"}, "X-Api-Key": {"user"}, "Cookie": {"c"}, "X-App": {"cli"}}
			res, err := be.Send(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			answer, err := io.ReadAll(res.Body)
			if want := map[bool]string{true: `{"input_tokens":7}`, false: `{"inputTokens":7}`}[call.Endpoint == gateway.CountTokens]; string(answer) != want || err != nil {
				t.Errorf("answer %s, %v", answer, err)
			}
			if call.Endpoint == gateway.CountTokens {
				gotBody, _ = base64.StdEncoding.DecodeString(gjson.GetBytes(gotBody, "input.invokeModel.body").Str)
			}
			if got.URL.EscapedPath() != c.path || string(gotBody) != c.body {
				t.Errorf("asked %s\nwith %s\nwant %s", got.URL.EscapedPath(), gotBody, c.body)
			}
			signed := got.Header.Get("Authorization")
			if !strings.HasPrefix(signed, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(signed, "/eu-central-1/bedrock/aws4_request") {
				t.Errorf("signed %q", signed)
			}
			if got.Header.Get("X-Gateway-Request-Id") != "id-1" || got.Header.Get("X-Api-Key")+got.Header.Get("Cookie")+got.Header.Get("X-App") != "" {
				t.Errorf("header %v", got.Header)
			}
			if res.Header.Get("Request-Id") != "aws-1" {
				t.Errorf("answer's header %v", res.Header)
			}
			if held := call.Body.held.Load(); held != 0 {
				t.Errorf("%d holders of the body", held)
			}
		})
	}
}

func TestFramesBecomeEventsOneByOneAsTheyCome(t *testing.T) {
	next := make(chan []byte)
	be := newTestBedrock(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		w.(http.Flusher).Flush()
		for f := range next {
			_, _ = w.Write(f)
			w.(http.Flusher).Flush()
		}
	})
	var pool Pool
	res, err := be.Send(t.Context(), Call{Endpoint: gateway.Messages, Stream: true, Model: "m", Body: body(t, &pool, `{}`)})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("header %v", res.Header)
	}
	buf := make([]byte, 1<<10)
	for i, event := range []string{start, delta, delta} { // each is here before the next is sent
		next <- chunk(t, event)
		want := []string{startEvent, deltaEvent, deltaEvent}[i]
		if n, err := res.Body.Read(buf); string(buf[:n]) != want || err != nil {
			t.Errorf("read %q, %v; want %q", buf[:n], err, want)
		}
	}
	next <- frame(t, `{"new":1}`, ":event-type", "unheard", ":message-type", "event")
	next <- chunk(t, stop)
	close(next)
	if got, err := io.ReadAll(res.Body); string(got) != stopEvent || err != nil {
		t.Errorf("the end is %q, %v", got, err)
	}
}

func TestAStreamCutAnywhereIsNeverACleanEnd(t *testing.T) {
	whole := bytes.Join([][]byte{chunk(t, start), chunk(t, delta), chunk(t, stop)}, nil)
	const events = startEvent + deltaEvent + stopEvent
	for cut := range whole {
		got, err := io.ReadAll(newFrameReader(io.NopCloser(bytes.NewReader(whole[:cut]))))
		if err == nil || !strings.HasPrefix(events, string(got)) {
			t.Fatalf("cut at %d: %v after %q", cut, err, got)
		}
	}
	for name, r := range map[string]io.Reader{"as a whole": bytes.NewReader(whole), "byte by byte": iotest.OneByteReader(bytes.NewReader(whole))} {
		if got, err := io.ReadAll(newFrameReader(io.NopCloser(r))); string(got) != events || err != nil {
			t.Errorf("%s: %v after %q", name, err, got)
		}
	}
	whole[len(whole)/2] ^= 1
	if _, err := io.ReadAll(newFrameReader(io.NopCloser(bytes.NewReader(whole)))); err == nil {
		t.Error("a frame with a wrong checksum was accepted")
	}
}

func TestALargeEventAndOneWithLineBreaksKeepTheirFraming(t *testing.T) {
	text := strings.Repeat("x", 300<<10)
	large := `{"type":"content_block_delta","text":"` + text + `"}`
	broken := "{\n  \"type\": \"message_stop\"\r\n}"
	frames := append(chunk(t, large), chunk(t, broken)...)
	got, err := io.ReadAll(newFrameReader(io.NopCloser(bytes.NewReader(frames))))
	want := "event: content_block_delta\ndata: " + large + "\n\nevent: message_stop\ndata: {\ndata:   \"type\": \"message_stop\"\ndata: }\n\n"
	if string(got) != want || err != nil {
		t.Errorf("got %d bytes, %v: …%q", len(got), err, got[max(0, len(got)-80):])
	}
}

func TestAnExceptionInAStreamIsAnErrorEvent(t *testing.T) {
	for name, kind := range map[string]string{
		"throttlingException": "rate_limit_error", "modelStreamErrorException": "api_error", "internalServerException": "api_error",
		"modelTimeoutException": "timeout_error", "validationException": "invalid_request_error", "serviceUnavailableException": "overloaded_error",
	} {
		frames := append(chunk(t, start), exception(t, name, `it "broke"`)...)
		got, err := io.ReadAll(newFrameReader(io.NopCloser(bytes.NewReader(frames))))
		want := startEvent + `event: error` + "\n" + `data: {"type":"error","error":{"type":"` + kind + `","message":"it \"broke\""}}` + "\n\n"
		if string(got) != want || err != nil {
			t.Errorf("%s: %v, %q", name, err, got)
		}
	}
	bare := frame(t, "", ":message-type", "error", ":error-code", "InternalFailure", ":error-message", "no more")
	if got, err := io.ReadAll(newFrameReader(io.NopCloser(bytes.NewReader(bare)))); !strings.Contains(string(got), `"message":"no more"`) || err != nil {
		t.Errorf("an error frame: %q, %v", got, err)
	}
}

func TestBedrocksErrorsAreToldInTheAnthropicEnvelope(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		kind, body string
		endpoint   gateway.Endpoint
		wantStatus int
		want       string
	}{
		"throttled":           {429, "ThrottlingException:http://internal.amazon.com/", `{"message":"slow down"}`, gateway.Messages, 429, "rate_limit_error slow down"},
		"refused":             {400, "ValidationException", `{"message":"messages: at least one"}`, gateway.Messages, 400, "invalid_request_error messages: at least one"},
		"forbidden":           {403, "AccessDeniedException", `{"Message":"no access"}`, gateway.Messages, 403, "permission_error no access"},
		"no such model":       {404, "ResourceNotFoundException", `{"message":"no model"}`, gateway.Messages, 404, "not_found_error no model"},
		"not ready":           {429, "ModelNotReadyException", `{"message":"warming up"}`, gateway.Messages, 429, "overloaded_error warming up"},
		"unavailable":         {503, "ServiceUnavailableException", `{"message":"later"}`, gateway.Messages, 503, "overloaded_error later"},
		"quota":               {400, "ServiceQuotaExceededException", `{"message":"too much"}`, gateway.Messages, 400, "rate_limit_error too much"},
		"the model failed":    {424, "ModelErrorException", `{"message":"oops"}`, gateway.Messages, 424, "api_error oops"},
		"the model was slow":  {408, "ModelTimeoutException", `{"message":"slow"}`, gateway.Messages, 408, "timeout_error slow"},
		"named in the body":   {400, "", `{"__type":"com.amazon.coral#ValidationException","message":"bad"}`, gateway.Messages, 400, "invalid_request_error bad"},
		"no JSON":             {502, "", `<html>bad gateway</html>`, gateway.Messages, 502, "api_error <html>bad gateway</html>"},
		"nothing":             {500, "", ``, gateway.Messages, 500, "api_error Internal Server Error"},
		"Anthropic's own":     {400, "", `{"type":"error","error":{"type":"odd_error","message":"invalid beta flag"}, "more":1}`, gateway.Messages, 400, "odd_error invalid beta flag"},
		"counting, throttled": {429, "ThrottlingException", `{"message":"slow down"}`, gateway.CountTokens, 429, "rate_limit_error slow down"},
		"counting, not known": {400, "ValidationException", `{"message":"The provided model doesn't support counting tokens."}`, gateway.CountTokens, 404, "not_found_error The provided model doesn't support counting tokens."},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			be := newTestBedrock(t, func(w http.ResponseWriter, _ *http.Request) {
				calls++
				w.Header().Set("X-Amzn-Errortype", c.kind)
				w.Header().Set("Retry-After", "7")
				w.Header().Set("X-Amzn-Requestid", "aws-1")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			var pool Pool
			for _, stream := range []bool{false, true} {
				res, err := be.Send(t.Context(), Call{Endpoint: c.endpoint, Stream: stream, Model: "anthropic.m", Body: body(t, &pool, `{}`)})
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(res.Body)
				res.Body.Close()
				var got struct {
					Type  string
					Error struct{ Type, Message string }
				}
				if json.Unmarshal(text, &got) != nil || err != nil || got.Type != "error" || got.Error.Type+" "+got.Error.Message != c.want || res.StatusCode != c.wantStatus {
					t.Errorf("%d %s (%v), want %d %s", res.StatusCode, text, err, c.wantStatus, c.want)
				}
				if res.Header.Get("Retry-After") != "7" || res.Header.Get("Request-Id") != "aws-1" || res.Header.Get("Content-Type") != "application/json" {
					t.Errorf("header %v", res.Header)
				}
			}
			if calls != 2 {
				t.Errorf("2 calls were sent %d times", calls)
			}
		})
	}
}

func TestBedrockHasNoEndpointsOfTheOtherDialect(t *testing.T) {
	be := newTestBedrock(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
	var pool Pool
	res, err := be.Send(t.Context(), Call{Endpoint: gateway.Chat, Body: body(t, &pool, `{}`)})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(res.Body); res.StatusCode != 404 || !gjson.GetBytes(text, "error.message").Exists() || gjson.GetBytes(text, "type").Exists() {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

func TestABedrockStreamThatIsGivenUpLeavesNothingBehind(t *testing.T) {
	var left chan struct{}
	be := newTestBedrock(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		_, _ = w.Write(chunk(t, start))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(left)
	})
	var pool Pool
	run := func(end func(cancel func(), body io.Closer)) {
		left = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		res, err := be.Send(ctx, Call{Endpoint: gateway.Messages, Stream: true, Model: "m", Body: body(t, &pool, `{}`)})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.ReadFull(res.Body, make([]byte, len(startEvent))); err != nil {
			t.Fatal(err)
		}
		end(cancel, res.Body)
		if _, err := res.Body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the read after the end: %v", err)
		}
		select {
		case <-left:
		case <-time.After(5 * time.Second):
			t.Fatal("Bedrock does not see that the stream was given up")
		}
	}
	cancelled := func(cancel func(), _ io.Closer) { cancel() }
	closed := func(_ func(), body io.Closer) { body.Close() }
	run(cancelled)
	before := runtime.NumGoroutine()
	for range 20 {
		run(cancelled)
		run(closed)
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+4; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), before)
		}
	}
}

func TestACallThatBedrockDoesNotAnswerIsAnErrorAndSentOnce(t *testing.T) {
	var calls atomic.Int32
	be := newTestBedrock(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		panic(http.ErrAbortHandler)
	})
	var pool Pool
	c := Call{Endpoint: gateway.Messages, Model: "m", Body: body(t, &pool, `{}`)}
	if res, err := be.Send(t.Context(), c); err == nil {
		res.Body.Close()
		t.Error("it was taken for an answer")
	}
	if calls.Load() != 1 || c.Body.held.Load() != 0 {
		t.Errorf("sent %d times; %d holders", calls.Load(), c.Body.held.Load())
	}
}

func TestARegionIsTakenFromTheEnvironmentOrMissed(t *testing.T) {
	newTestBedrock(t, nil)
	var pool Pool
	asked := errors.New("asked")
	for region, want := range map[string]string{"us-west-2": "bedrock-runtime.us-west-2.amazonaws.com", "": "region is not set"} {
		t.Setenv("AWS_REGION", region)
		var host string
		be, err := New(config.Backend{Name: "b", Kind: config.KindBedrock}, Environment{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			host = r.URL.Host
			return nil, asked
		})})
		if err != nil {
			t.Fatal(err)
		}
		_, err = be.Send(t.Context(), Call{Endpoint: gateway.Messages, Model: "m", Body: body(t, &pool, `{}`)})
		if region != "" && (!errors.Is(err, asked) || host != want) || region == "" && !strings.Contains(err.Error(), want) {
			t.Errorf("region %q: %v, host %q; want %q", region, err, host, want)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func BenchmarkFrames(b *testing.B) {
	one := chunk(b, delta)
	frames := append(bytes.Repeat(one, 1000), chunk(b, stop)...)
	buf := make([]byte, 32<<10)
	b.SetBytes(int64(len(frames)))
	b.ReportAllocs()
	for b.Loop() {
		r := newFrameReader(io.NopCloser(bytes.NewReader(frames)))
		for {
			if _, err := r.Read(buf); err != nil {
				break
			}
		}
	}
}
