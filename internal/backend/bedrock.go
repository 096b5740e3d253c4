package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// bedrock is Claude on Amazon Bedrock. The SDK finds the endpoint and the credential and signs; it neither retries nor
// reads answers, so that every attempt is counted by the caller and every byte is relayed when it comes. Of the
// client's header nothing goes along but the betas, which stand in the body there.
type bedrock struct {
	*filter
	name   string
	client *lazy[*bedrockruntime.Client]
}

func newBedrock(cfg config.Backend, env Environment) *bedrock {
	client := func(ctx context.Context) (*bedrockruntime.Client, error) {
		return bedrockClient(ctx, cfg, env.Transport)
	}
	return &bedrock{newFilter(cfg.Betas), cfg.Name, &lazy[*bedrockruntime.Client]{find: client}}
}

func bedrockClient(ctx context.Context, cfg config.Backend, transport http.RoundTripper) (*bedrockruntime.Client, error) {
	sdk, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(cfg.Region),
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(credentialTimeout)))
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration of this machine: %w", err)
	}
	if sdk.Region == "" {
		return nil, errors.New("region is not set, and neither AWS_REGION nor the AWS profile names one")
	}
	return bedrockruntime.NewFromConfig(sdk, func(o *bedrockruntime.Options) {
		o.HTTPClient = smithyhttp.ClientDoFunc(func(r *http.Request) (*http.Response, error) { return sendOwn(transport, r) })
		o.Retryer = aws.NopRetryer{}
		if cfg.BaseURL != "" {
			o.BaseEndpoint = aws.String(cfg.BaseURL)
		}
	}), nil
}

// sendOwn sends a request of the SDK's with a body of its own. The SDK closes its bodies when the header of the answer
// is here; where the transport is still at the end of one then, it takes that for a failure of the connection, and the
// answer is lost.
func sendOwn(transport http.RoundTripper, r *http.Request) (*http.Response, error) {
	own := *r
	if r.Body != nil {
		payload := make([]byte, max(r.ContentLength, 0))
		if _, err := io.ReadFull(r.Body, payload); err != nil {
			return nil, fmt.Errorf("the request that the SDK made: %w", err)
		}
		own.Body, own.GetBody = io.NopCloser(bytes.NewReader(payload)), nil
	}
	return transport.RoundTrip(&own)
}

// Send implements Backend.
func (b *bedrock) Send(ctx context.Context, c Call) (*http.Response, error) {
	if c.Endpoint.Dialect() != gateway.Anthropic {
		return notServed(c, "Bedrock is reached in the Anthropic dialect only."), nil
	}
	body := b.body(c)
	defer body.release() // the SDK lets go of it before it returns
	res, err := b.invoke(ctx, c, body.Bytes())
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", b.name, err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for to, from := range map[string]string{"Request-Id": "X-Amzn-Requestid", "Retry-After": "Retry-After"} {
		if value := res.Header.Get(from); value != "" {
			header.Set(to, value)
		}
	}
	name := res.Header.Get("X-Amzn-Errortype")
	framed := strings.HasPrefix(res.Header.Get("Content-Type"), "application/vnd.amazon.eventstream")
	res.Header = header
	switch {
	case c.Endpoint == gateway.CountTokens:
		if err := tellCount(res, name); err != nil {
			return nil, fmt.Errorf("backend %s: %w", b.name, err)
		}
	case res.StatusCode >= http.StatusBadRequest:
		tellFailure(res, gateway.Anthropic, name)
	case framed:
		header.Set("Content-Type", "text/event-stream")
		res.Body, res.ContentLength = newFrameReader(res.Body), -1
	}
	return res, nil
}

// body makes the body as Bedrock wants it: the model stands in the URL, what kind of answer is wanted in the choice of
// the operation, and the version and the betas stand in the body. The result is the caller's to release.
func (b *bedrock) body(c Call) *Body {
	header := http.Header{"Anthropic-Beta": c.Header["Anthropic-Beta"]}
	without := append(b.leaveOut(c, header), "model", "stream", "anthropic_version", "anthropic_beta")
	head := `"anthropic_version":"bedrock-2023-05-31"`
	if list := betas(header); len(list) > 0 {
		head += `,"anthropic_beta":` + quote(list)
	}
	if c.Endpoint == gateway.CountTokens {
		// It is counted what would be invoked, and that needs max_tokens, above the budget for thinking.
		if limits := gjson.GetManyBytes(c.Body.Bytes(), "max_tokens", "thinking.budget_tokens"); !limits[0].Exists() {
			head += fmt.Sprintf(`,"max_tokens":%d`, limits[1].Int()+1)
		}
	}
	return c.Body.edit(without, head)
}

// invoke calls the operation and returns its answer as it came.
func (b *bedrock) invoke(ctx context.Context, c Call, body []byte) (*http.Response, error) {
	client, err := b.client.get(ctx)
	if err != nil {
		return nil, err
	}
	var raw rawAnswer
	options := func(o *bedrockruntime.Options) {
		o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Gateway-Request-Id", c.ID), raw.replaceDeserializer)
	}
	switch {
	case c.Endpoint == gateway.CountTokens:
		raw.result = &bedrockruntime.CountTokensOutput{}
		_, err = client.CountTokens(ctx, &bedrockruntime.CountTokensInput{
			ModelId: aws.String(foundationModel(c.Model)),
			Input:   &types.CountTokensInputMemberInvokeModel{Value: types.InvokeModelTokensRequest{Body: body}},
		}, options)
	case c.Stream:
		raw.result = &bedrockruntime.InvokeModelWithResponseStreamOutput{}
		_, err = client.InvokeModelWithResponseStream(ctx, &bedrockruntime.InvokeModelWithResponseStreamInput{
			ModelId: aws.String(c.Model), Body: body, ContentType: aws.String("application/json"),
		}, options)
	default:
		raw.result = &bedrockruntime.InvokeModelOutput{}
		_, err = client.InvokeModel(ctx, &bedrockruntime.InvokeModelInput{
			ModelId: aws.String(c.Model), Body: body, ContentType: aws.String("application/json"), Accept: aws.String("application/json"),
		}, options)
	}
	if err != nil && raw.response != nil {
		_ = raw.response.Body.Close()
	}
	return raw.response, err
}

// foundationModel is the model that an inference profile, us.anthropic.claude-…, stands for: CountTokens refuses
// profiles. Of a profile that the account's owner has named it cannot be told.
func foundationModel(id string) string {
	if _, model, _ := strings.Cut(id[strings.LastIndexByte(id, '/')+1:], "."); strings.HasPrefix(model, "anthropic.") {
		return model
	}
	return id
}

// tellCount answers as the Anthropic API does. That a model cannot be counted for, which is a 400 there, becomes a 404
// as of a service that does not count at all: the caller may then estimate.
func tellCount(res *http.Response, name string) error {
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxError))
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		f := readFailure(res.StatusCode, name, body)
		if f.name == "ValidationException" && (strings.Contains(f.message, "counting tokens") || strings.Contains(f.message, "model identifier")) {
			f.status, f.name = http.StatusNotFound, ""
		}
		body, res.StatusCode = f.body(gateway.Anthropic, UpstreamID(res.Header)), f.status
	} else if n := gjson.GetBytes(body, "inputTokens"); n.Type == gjson.Number {
		body = fmt.Appendf(nil, `{"input_tokens":%d}`, n.Int())
	} else {
		return errors.New("the answer to CountTokens has no inputTokens")
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}
