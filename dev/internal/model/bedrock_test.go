package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/tidwall/gjson"
)

const bedrockModel = "us.anthropic.claude-sonnet-5-5-v1:0"

// account is the one that the mock of these tests knows.
func account() AWSAccount {
	return AWSAccount{AccessKeyID: "AKIATEST", SecretAccessKey: "secret", Region: "us-east-1"}
}

func serveBedrock(t *testing.T) string {
	t.Helper()
	return serveAs(t, Config{Provider: Bedrock, AWS: account()}) + "/model/"
}

// signed sends a request as an account would.
func signed(t *testing.T, a AWSAccount, url, body string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	credentials := aws.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey}
	err = v4.NewSigner().SignHTTP(t.Context(), credentials, request, hex.EncodeToString(sum[:]), "bedrock", a.Region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func invocation(text, more string) string {
	return `{"anthropic_version":"bedrock-2023-05-31","max_tokens":1000,"messages":[{"role":"user","content":` +
		string(marshal(text)) + `}]` + more + `}`
}

// chunks decodes an event stream and returns the events inside, and the exception that ends it.
func chunks(t *testing.T, stream string) (list []event, exception string) {
	t.Helper()
	source, decoder := strings.NewReader(stream), eventstream.NewDecoder()
	for {
		m, err := decoder.Decode(source, nil)
		if errors.Is(err, io.EOF) {
			return list, exception
		}
		if err != nil {
			t.Fatal(err)
		}
		if kind := m.Headers.Get(":exception-type"); kind != nil {
			exception = kind.String() + " " + gjson.GetBytes(m.Payload, "message").Str
			continue
		}
		if got := m.Headers.Get(":event-type").String(); got != "chunk" {
			t.Fatalf("event type %q", got)
		}
		data, err := base64.StdEncoding.DecodeString(gjson.GetBytes(m.Payload, "bytes").Str)
		if err != nil || !gjson.ValidBytes(data) {
			t.Fatalf("bytes %q, %v", data, err)
		}
		list = append(list, event{gjson.GetBytes(data, "type").Str, string(data)})
	}
}

func TestBedrockStreamsChunksOfTheSameEvents(t *testing.T) {
	url := serveBedrock(t)
	response := signed(t, account(), url+bedrockModel+"/invoke-with-response-stream", invocation("hello", ""))
	if got := response.Header.Get("content-type"); got != "application/vnd.amazon.eventstream" || response.Header.Get("x-amzn-requestid") == "" {
		t.Errorf("headers: %v", response.Header)
	}
	list, exception := chunks(t, read(t, response))
	const order = "message_start content_block_start content_block_delta content_block_stop message_delta message_stop"
	if got := names(list); got != order || exception != "" {
		t.Fatalf("events: %s %s", got, exception)
	}
	if got := gather(list, "delta.text"); got != "This is claude-sonnet-5-5. You said: hello" {
		t.Errorf("text = %q", got)
	}
	if !strings.Contains(list[len(list)-1].data, "amazon-bedrock-invocationMetrics") {
		t.Errorf("the last event: %s", list[len(list)-1].data)
	}
	whole := read(t, signed(t, account(), url+bedrockModel+"/invoke", invocation("hello", "")))
	if gjson.Get(whole, "content.0.text").Str != gather(list, "delta.text") {
		t.Errorf("the whole message: %s", whole)
	}
}

func TestBedrockStreamFailsByAnExceptionOrACut(t *testing.T) {
	url := serveBedrock(t) + bedrockModel + "/invoke-with-response-stream"
	list, exception := chunks(t, read(t, signed(t, account(), url, invocation("[x-mock: error=3]", ""))))
	if len(list) != 3 || exception != "serviceUnavailableException Bedrock is unable to process your request." {
		t.Errorf("%v %q", list, exception)
	}
	got, err := readUntilError(signed(t, account(), url, invocation("[x-mock: cut=700]", "")))
	if err == nil || len(got) != 700 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestBedrockVerifiesTheSignature(t *testing.T) {
	url := serveBedrock(t) + bedrockModel + "/invoke"
	for _, c := range []struct {
		name, kind string
		change     func(*AWSAccount)
	}{
		{"another key", "UnrecognizedClientException", func(a *AWSAccount) { a.AccessKeyID = "AKIAOTHER" }},
		{"another secret", "InvalidSignatureException", func(a *AWSAccount) { a.SecretAccessKey = "other" }},
		{"another region", "InvalidSignatureException", func(a *AWSAccount) { a.Region = "eu-west-1" }},
	} {
		a := account()
		c.change(&a)
		response := signed(t, a, url, invocation("x", ""))
		if body := read(t, response); response.StatusCode != 403 || response.Header.Get("x-amzn-errortype") != c.kind || gjson.Get(body, "message").Str == "" {
			t.Errorf("%s: %d %v %s", c.name, response.StatusCode, response.Header, body)
		}
	}
	request, _ := http.NewRequestWithContext(t.Context(), "POST", url, bytes.NewReader([]byte(invocation("x", ""))))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 403 || response.Header.Get("x-amzn-errortype") != "MissingAuthenticationTokenException" {
		t.Errorf("unsigned: %d %v", response.StatusCode, response.Header)
	}
}

func TestBedrockRefusesWhatItDoesNotKnow(t *testing.T) {
	url := serveBedrock(t)
	for _, c := range []struct{ name, model, body, says string }{
		{"no version", bedrockModel, `{"max_tokens":9,"messages":[]}`, "anthropic_version: Field required"},
		{"the model in the body", bedrockModel, invocation("x", `,"model":"m"`), "model: Extra inputs are not permitted"},
		{"stream in the body", bedrockModel, invocation("x", `,"stream":true`), "stream: Extra inputs are not permitted"},
		{"a beta's field", bedrockModel, invocation("x", `,"context_management":{}`), "context_management: Extra inputs are not permitted"},
		{"a schema", bedrockModel, invocation("x", `,"output_config":{"effort":"low","format":{}}`), "output_config.format: Extra inputs are not permitted"},
		{"a tool's field", bedrockModel, invocation("x", `,"tools":[{"name":"a"},{"name":"b","defer_loading":true}]`), "tools.1.custom.defer_loading: Extra inputs are not permitted"},
		{"an unknown beta", bedrockModel, invocation("x", `,"anthropic_beta":["interleaved-thinking-2025-05-14","new-2027-01-01"]`), "invalid beta flag"},
		{"a plain model name", "claude-sonnet-5-5", invocation("x", ""), "The provided model identifier is invalid."},
		{"a switch", bedrockModel, invocation("[x-mock: status=400,message=prompt is too long]", ""), "prompt is too long"},
	} {
		response := signed(t, account(), url+c.model+"/invoke", c.body)
		body := read(t, response)
		if response.StatusCode != 400 || !strings.HasPrefix(response.Header.Get("x-amzn-errortype"), "ValidationException") ||
			!strings.HasPrefix(gjson.Get(body, "message").Str, c.says) {
			t.Errorf("%s: %d %s %s", c.name, response.StatusCode, response.Header.Get("x-amzn-errortype"), body)
		}
	}
}

func TestBedrockCountsTheTokensOfABodyInside(t *testing.T) {
	url := serveBedrock(t)
	body := `{"input":{"invokeModel":{"body":"` + base64.StdEncoding.EncodeToString([]byte(invocation("hello", ""))) + `"}}}`
	got := read(t, signed(t, account(), url+"anthropic.claude-sonnet-5-5-v1:0/count-tokens", body))
	if gjson.Get(got, "inputTokens").Int() != int64(len(invocation("hello", ""))/4) {
		t.Errorf("%s", got)
	}
	if response := signed(t, account(), url+bedrockModel+"/count-tokens", body); response.StatusCode != 400 {
		t.Errorf("of an inference profile: %d", response.StatusCode)
	}
}
