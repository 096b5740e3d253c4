package clients_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

// goV1 is the first generation of the SDK for Go.
type goV1 struct{}

func (goV1) call(t *testing.T, ctx context.Context, o order) reply {
	t.Helper()
	client := anthropic.NewClient(option.WithBaseURL(o.BaseURL), option.WithAPIKey(o.Token))
	messages := []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(o.text()))}
	params := anthropic.MessageNewParams{Model: o.Model, MaxTokens: 1024, Messages: messages}
	var (
		r   reply
		res *http.Response
		err error
	)
	switch o.Call {
	case "create":
		var message *anthropic.Message
		if message, err = client.Messages.New(ctx, params, option.WithResponseInto(&res)); err == nil {
			r = saidV1(message)
		}
	case "stream":
		r, err = streamV1(ctx, client, params, &res)
	case "count_tokens":
		var count *anthropic.MessageTokensCount
		count, err = client.Messages.CountTokens(ctx,
			anthropic.MessageCountTokensParams{Model: o.Model, Messages: messages}, option.WithResponseInto(&res))
		if err == nil {
			r.InputTokens = count.InputTokens
		}
	case "models":
		pages := client.Models.ListAutoPaging(ctx, anthropic.ModelListParams{Limit: anthropic.Int(int64(o.Page))})
		for pages.Next() && len(r.Models) < 100 {
			r.Models = append(r.Models, pages.Current().ID)
		}
		err = pages.Err()
	}
	var refused *anthropic.Error
	switch {
	case errors.As(err, &refused):
		r.Error = &apiError{
			Status: refused.StatusCode, Type: string(refused.Type()), Message: messageOf(refused.RawJSON()), RequestID: refused.RequestID,
		}
	case err != nil:
		r.Error = &apiError{Message: err.Error()}
	case res != nil:
		r.RequestID = res.Header.Get("Request-Id")
	}
	return r
}

func streamV1(ctx context.Context, client anthropic.Client, params anthropic.MessageNewParams, res **http.Response) (reply, error) {
	stream := client.Messages.NewStreaming(ctx, params, option.WithResponseInto(res))
	defer stream.Close()
	var message anthropic.Message
	var events []string
	for stream.Next() {
		event := stream.Current()
		if err := message.Accumulate(event); err != nil {
			return reply{}, err
		}
		events = append(events, event.Type)
	}
	r := saidV1(&message)
	r.Events = events
	return r, stream.Err()
}

func saidV1(message *anthropic.Message) reply {
	r := reply{
		Model: message.Model, StopReason: string(message.StopReason),
		InputTokens: message.Usage.InputTokens, OutputTokens: message.Usage.OutputTokens,
	}
	for _, block := range message.Content {
		r.Text += block.Text
	}
	return r
}
