package clients_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/invopop/jsonschema"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// goOpenAI is the SDK of OpenAI for Go.
type goOpenAI struct{}

func (goOpenAI) call(t *testing.T, ctx context.Context, o order) reply {
	t.Helper()
	p := programOpenAI{client: openai.NewClient(option.WithBaseURL(o.BaseURL), option.WithAPIKey(o.Token)), order: o}
	r, err := p.run(ctx)
	var refused *openai.Error
	switch {
	case errors.As(err, &refused):
		r.Error = &apiError{
			Status: refused.StatusCode, Type: refused.Type, Message: refused.Message, RequestID: shownID(refused.Response, "X-Request-Id"),
		}
	case err != nil:
		r.Error = &apiError{Message: err.Error()}
	default:
		r.RequestID = shownID(p.answer, "X-Request-Id")
	}
	return r
}

// programOpenAI is a program that makes one call.
type programOpenAI struct {
	client openai.Client
	order  order
	answer *http.Response // the last one
}

func (p *programOpenAI) run(ctx context.Context) (reply, error) {
	params := openai.ChatCompletionNewParams{
		Model:    p.order.Model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(p.order.text())},
	}
	if p.order.N > 0 {
		params.N = openai.Int(int64(p.order.N))
	}
	if p.order.Logprobs {
		params.Logprobs = openai.Bool(true)
	}
	if p.order.Usage {
		params.StreamOptions.IncludeUsage = openai.Bool(true)
	}
	switch p.order.Call {
	case "create", "stream":
		return p.completion(ctx, params)
	case "iterate":
		return p.iterate(ctx, params)
	case "tools":
		return p.tools(ctx, params)
	case "parse":
		return p.parse(ctx, params)
	case "respond":
		return p.respond(ctx)
	case "embed":
		return p.embed(ctx)
	case "models":
		var r reply
		pages := p.client.Models.ListAutoPaging(ctx)
		for pages.Next() && len(r.Models) < 100 {
			r.Models = append(r.Models, pages.Current().ID)
		}
		return r, pages.Err()
	case "model":
		model, err := p.client.Models.Get(ctx, p.order.Model, option.WithResponseInto(&p.answer))
		if err != nil {
			return reply{}, err
		}
		return reply{Models: []string{model.ID}}, nil
	}
	return p.batches(ctx)
}

// completion asks for a completion, streamed or whole.
func (p *programOpenAI) completion(ctx context.Context, params openai.ChatCompletionNewParams) (reply, error) {
	completion, events, err := p.ask(ctx, params)
	if err != nil {
		return reply{}, err
	}
	r := completed(completion)
	r.Events = events
	return r, nil
}

// ask makes one request; events are those of a stream, which the SDK's accumulator puts together.
func (p *programOpenAI) ask(ctx context.Context, params openai.ChatCompletionNewParams) (completion *openai.ChatCompletion, events []string, err error) {
	if !p.order.Stream {
		completion, err = p.client.Chat.Completions.New(ctx, params, option.WithResponseInto(&p.answer))
		return completion, nil, err
	}
	stream := p.client.Chat.Completions.NewStreaming(ctx, params, option.WithResponseInto(&p.answer))
	defer stream.Close()
	var whole openai.ChatCompletionAccumulator
	for stream.Next() {
		chunk := stream.Current()
		if !whole.AddChunk(chunk) {
			return nil, nil, errors.New("the accumulator refuses " + chunk.RawJSON())
		}
		events = append(events, kind(chunk))
	}
	if err := stream.Err(); err != nil {
		return nil, nil, err
	}
	if len(whole.Choices) == 0 {
		return nil, nil, errors.New("the stream had no choice")
	}
	return &whole.ChatCompletion, events, nil
}

// iterate reads a stream without the accumulator.
func (p *programOpenAI) iterate(ctx context.Context, params openai.ChatCompletionNewParams) (reply, error) {
	stream := p.client.Chat.Completions.NewStreaming(ctx, params, option.WithResponseInto(&p.answer))
	defer stream.Close()
	var r reply
	for stream.Next() {
		chunk := stream.Current()
		r.Events = append(r.Events, kind(chunk))
		r.Model, r.InputTokens, r.OutputTokens = chunk.Model, chunk.Usage.PromptTokens, chunk.Usage.CompletionTokens
		for _, choice := range chunk.Choices {
			r.Text += choice.Delta.Content
			r.StopReason = choice.FinishReason
		}
	}
	return r, stream.Err()
}

// kind is what a chunk of a stream brings.
func kind(chunk openai.ChatCompletionChunk) string {
	if len(chunk.Choices) == 0 {
		return "usage"
	}
	switch choice := chunk.Choices[0]; {
	case choice.FinishReason != "":
		return "finish"
	case len(choice.Delta.ToolCalls) > 0:
		return "tool"
	case choice.Delta.Content != "":
		return "text"
	}
	return "role"
}

// tools asks, runs the tools that the model calls and tells their results until it calls none.
func (p *programOpenAI) tools(ctx context.Context, params openai.ChatCompletionNewParams) (reply, error) {
	var done reply
	for _, tool := range goTools() {
		properties, required := cityOnly()
		params.Tools = append(params.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: tool.name, Description: openai.String(tool.description), Strict: openai.Bool(true),
			Parameters: shared.FunctionParameters{
				"type": "object", "properties": properties, "required": required, "additionalProperties": false,
			},
		}))
	}
	for {
		completion, _, err := p.ask(ctx, params)
		if err != nil {
			return reply{}, err
		}
		said := completion.Choices[0].Message
		if len(said.ToolCalls) == 0 {
			r := completed(completion)
			r.Ran = done.Ran
			return r, nil
		}
		params.Messages = append(params.Messages, said.ToParam())
		for _, call := range said.ToolCalls {
			result, err := done.run(call.Function.Name, call.Function.Arguments)
			if err != nil {
				return reply{}, err
			}
			params.Messages = append(params.Messages, openai.ToolMessage(result, call.ID))
		}
	}
}

// parse asks for data of a type. The SDK leaves the schema and the reading to the program.
func (p *programOpenAI) parse(ctx context.Context, params openai.ChatCompletionNewParams) (reply, error) {
	reflector := jsonschema.Reflector{Anonymous: true, DoNotReference: true}
	params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "book", Strict: openai.Bool(true), Schema: reflector.Reflect(book{})},
	}
	r, err := p.completion(ctx, params)
	if err != nil {
		return reply{}, err
	}
	return r, json.Unmarshal([]byte(r.Text), &r.Book)
}

// respond asks for a response, streamed or whole.
func (p *programOpenAI) respond(ctx context.Context) (reply, error) {
	params := responses.ResponseNewParams{
		Model: p.order.Model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(p.order.text())},
	}
	if !p.order.Stream {
		response, err := p.client.Responses.New(ctx, params, option.WithResponseInto(&p.answer))
		if err != nil {
			return reply{}, err
		}
		return responded(response), nil
	}
	stream := p.client.Responses.NewStreaming(ctx, params, option.WithResponseInto(&p.answer))
	defer stream.Close()
	var r reply
	var events []string
	for stream.Next() {
		event := stream.Current()
		events = append(events, event.Type)
		if event.Type == "response.completed" {
			response := event.AsResponseCompleted().Response
			r = responded(&response)
		}
	}
	r.Events = events
	return r, stream.Err()
}

func responded(response *responses.Response) reply {
	return reply{
		Text: response.OutputText(), Model: response.Model, StopReason: string(response.Status),
		InputTokens: response.Usage.InputTokens, OutputTokens: response.Usage.OutputTokens,
	}
}

func (p *programOpenAI) embed(ctx context.Context) (reply, error) {
	answer, err := p.client.Embeddings.New(ctx, openai.EmbeddingNewParams{
		Model: p.order.Model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{p.order.text(), "another"}},
	}, option.WithResponseInto(&p.answer))
	if err != nil {
		return reply{}, err
	}
	r := reply{Model: answer.Model, InputTokens: answer.Usage.PromptTokens}
	for _, vector := range answer.Data {
		r.Dimensions = append(r.Dimensions, len(vector.Embedding))
	}
	return r, nil
}

// completed is what the suite compares of a completion.
func completed(completion *openai.ChatCompletion) reply {
	choice := completion.Choices[0]
	return reply{
		Text: choice.Message.Content, Model: completion.Model, StopReason: choice.FinishReason,
		InputTokens: completion.Usage.PromptTokens, OutputTokens: completion.Usage.CompletionTokens,
	}
}
