package clients_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
)

// goV2 is the second generation of the SDK for Go.
type goV2 struct{}

func (goV2) call(t *testing.T, ctx context.Context, o order) reply {
	t.Helper()
	p := programV2{client: anthropic.NewClient(option.WithBaseURL(o.BaseURL), option.WithAPIKey(o.Token)), order: o}
	r, err := p.run(ctx)
	var refused *anthropic.Error
	switch {
	case errors.As(err, &refused):
		r.Error = &apiError{
			Status: refused.StatusCode, Type: string(refused.Type()), Message: messageOf(refused.RawJSON()), RequestID: refused.RequestID,
		}
	case err != nil:
		r.Error = &apiError{Message: err.Error()}
	default:
		r.RequestID = shownID(p.answer, "Request-Id")
	}
	return r
}

// programV2 is a program that makes one call.
type programV2 struct {
	client anthropic.Client
	order  order
	answer *http.Response // the last one
}

func (p *programV2) run(ctx context.Context) (reply, error) {
	params := anthropic.MessageNewParams{
		Model: p.order.Model, MaxTokens: 4096,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(p.order.text()))},
	}
	switch p.order.Call {
	case "create", "stream":
		return p.message(ctx, params)
	case "think":
		params.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
		return p.message(ctx, params)
	case "tools":
		return p.tools(ctx, params)
	case "parse":
		return p.parse(ctx)
	case "count_tokens":
		count, err := p.client.Messages.CountTokens(ctx,
			anthropic.MessageCountTokensParams{Model: params.Model, Messages: params.Messages}, option.WithResponseInto(&p.answer))
		if err != nil {
			return reply{}, err
		}
		return reply{InputTokens: count.InputTokens}, nil
	case "models":
		var r reply
		pages := p.client.Models.ListAutoPaging(ctx, anthropic.ModelListParams{Limit: anthropic.Int(int64(p.order.Page))})
		for pages.Next() && len(r.Models) < 100 {
			r.Models = append(r.Models, pages.Current().ID)
		}
		return r, pages.Err()
	case "model":
		model, err := p.client.Models.Get(ctx, p.order.Model, anthropic.ModelGetParams{}, option.WithResponseInto(&p.answer))
		if err != nil {
			return reply{}, err
		}
		return reply{Models: []string{model.ID}}, nil
	}
	return p.batches(ctx)
}

// message asks for a message, streamed or whole.
func (p *programV2) message(ctx context.Context, params anthropic.MessageNewParams) (reply, error) {
	message, events, err := p.ask(ctx, params)
	if err != nil {
		return reply{}, err
	}
	r := saidV2(message)
	r.Events = events
	return r, nil
}

// ask makes one request; events are those of a stream.
func (p *programV2) ask(ctx context.Context, params anthropic.MessageNewParams) (message *anthropic.Message, events []string, err error) {
	if !p.order.Stream {
		message, err = p.client.Messages.New(ctx, params, option.WithResponseInto(&p.answer))
		return message, nil, err
	}
	stream := p.client.Messages.NewStreaming(ctx, params, option.WithResponseInto(&p.answer))
	defer stream.Close()
	message = &anthropic.Message{}
	for stream.Next() {
		event := stream.Current()
		if err := message.Accumulate(event); err != nil {
			return nil, nil, err
		}
		events = append(events, event.Type)
	}
	return message, events, stream.Err()
}

// tools asks, runs the tools that the model calls and tells their results until it calls none.
func (p *programV2) tools(ctx context.Context, params anthropic.MessageNewParams) (reply, error) {
	var done reply
	for _, tool := range goTools() {
		properties, required := cityOnly()
		params.Tools = append(params.Tools, anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
			Name: tool.name, Description: anthropic.String(tool.description),
			InputSchema: anthropic.ToolInputSchemaParam{Properties: properties, Required: required},
		}})
	}
	for {
		message, _, err := p.ask(ctx, params)
		if err != nil {
			return reply{}, err
		}
		var results []anthropic.ContentBlockParamUnion
		for _, block := range message.Content {
			call, ok := block.AsAny().(anthropic.ToolUseBlock)
			if !ok {
				continue
			}
			result, err := done.run(call.Name, string(call.Input))
			if err != nil {
				return reply{}, err
			}
			results = append(results, anthropic.NewToolResultBlock(call.ID, result, false))
		}
		if len(results) == 0 {
			r := saidV2(message)
			r.Ran = done.Ran
			return r, nil
		}
		params.Messages = append(params.Messages, message.ToParam(), anthropic.NewUserMessage(results...))
	}
}

// parse asks for data of a type, which the SDK makes the schema of and reads the answer into.
func (p *programV2) parse(ctx context.Context) (reply, error) {
	var wanted book
	message, err := p.client.Beta.Messages.New(ctx, anthropic.BetaMessageNewParams{
		Model: p.order.Model, MaxTokens: 4096,
		Messages:     []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock(p.order.text()))},
		OutputConfig: anthropic.BetaOutputConfigParam{Format: anthropic.BetaJSONOutputFormatParam{Schema: &wanted}},
	}, option.WithResponseInto(&p.answer))
	if err != nil {
		return reply{}, err
	}
	return reply{
		Book: &wanted, Model: message.Model, StopReason: string(message.StopReason),
		InputTokens: message.Usage.InputTokens, OutputTokens: message.Usage.OutputTokens,
	}, nil
}

func saidV2(message *anthropic.Message) reply {
	r := reply{
		Model: message.Model, StopReason: string(message.StopReason),
		InputTokens: message.Usage.InputTokens, OutputTokens: message.Usage.OutputTokens,
	}
	for _, block := range message.Content {
		r.Text += block.Text
		r.Thinking += block.Thinking
	}
	return r
}
