package clients_test

import (
	"context"
	"errors"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
)

// batches makes a call about batches.
func (p *programV2) batches(ctx context.Context) (reply, error) {
	if p.order.Batch.Beta {
		return p.betaBatches(ctx)
	}
	batches, id, answer := &p.client.Messages.Batches, p.order.Batch.ID, option.WithResponseInto(&p.answer)
	switch p.order.Call {
	case "batch_create":
		return batchV2(batches.New(ctx, p.batch(), answer))
	case "batch_get":
		return batchV2(batches.Get(ctx, id, anthropic.MessageBatchGetParams{}, answer))
	case "batch_finish":
		r, err := batchV2(ended(ctx,
			func() (*anthropic.MessageBatch, error) {
				return batches.Get(ctx, id, anthropic.MessageBatchGetParams{})
			},
			func(b *anthropic.MessageBatch) bool { return b.ProcessingStatus == "ended" }))
		if err != nil {
			return reply{}, err
		}
		r.Batch.Results, err = all(batches.ResultsStreaming(ctx, id, anthropic.MessageBatchResultsParams{}), resultV2)
		return r, err
	case "batch_list":
		pages := batches.ListAutoPaging(ctx, anthropic.MessageBatchListParams{Limit: anthropic.Int(int64(p.order.Page))})
		return listed(all(pages, func(b anthropic.MessageBatch) string { return b.ID }))
	case "batch_cancel":
		return batchV2(batches.Cancel(ctx, id, anthropic.MessageBatchCancelParams{}, answer))
	case "batch_delete":
		deleted, err := batches.Delete(ctx, id, anthropic.MessageBatchDeleteParams{}, answer)
		if err != nil {
			return reply{}, err
		}
		return reply{Batch: batchReply{ID: deleted.ID, Status: string(deleted.Type)}}, nil
	}
	return reply{}, errors.New("there is no call " + p.order.Call)
}

// batch is what a batch is made of.
func (p *programV2) batch() (params anthropic.MessageBatchNewParams) {
	for _, item := range p.order.Batch.Items {
		params.Requests = append(params.Requests, anthropic.MessageBatchNewParamsRequest{
			CustomID: item.CustomID,
			Params: anthropic.MessageBatchNewParamsRequestParams{
				Model: p.order.Model, MaxTokens: 4096,
				Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(item.Prompt))},
			},
		})
	}
	return params
}

// batchV2 is what the suite compares of a batch.
func batchV2(b *anthropic.MessageBatch, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	counts := b.RequestCounts
	return reply{Batch: batchReply{
		ID: b.ID, Status: string(b.ProcessingStatus),
		Total:     counts.Processing + counts.Succeeded + counts.Errored + counts.Canceled + counts.Expired,
		Succeeded: counts.Succeeded, Errored: counts.Errored,
	}}, nil
}

func resultV2(r anthropic.MessageBatchIndividualResponse) batchResult {
	return batchResult{r.CustomID, r.Result.Type, saidV2(&r.Result.Message).Text, r.Result.Error.Error.Message}
}

// betaBatches makes a call about batches by the SDK's beta names.
func (p *programV2) betaBatches(ctx context.Context) (reply, error) {
	batches, id := &p.client.Beta.Messages.Batches, p.order.Batch.ID
	switch p.order.Call {
	case "batch_create":
		return betaBatchV2(batches.New(ctx, p.betaBatch(), option.WithResponseInto(&p.answer)))
	case "batch_finish":
		r, err := betaBatchV2(ended(ctx,
			func() (*anthropic.BetaMessageBatch, error) {
				return batches.Get(ctx, id, anthropic.BetaMessageBatchGetParams{})
			},
			func(b *anthropic.BetaMessageBatch) bool { return b.ProcessingStatus == "ended" }))
		if err != nil {
			return reply{}, err
		}
		r.Batch.Results, err = all(batches.ResultsStreaming(ctx, id, anthropic.BetaMessageBatchResultsParams{}), betaResultV2)
		return r, err
	}
	return reply{}, errors.New("there is no beta call " + p.order.Call)
}

func (p *programV2) betaBatch() (params anthropic.BetaMessageBatchNewParams) {
	for _, item := range p.order.Batch.Items {
		params.Requests = append(params.Requests, anthropic.BetaMessageBatchNewParamsRequest{
			CustomID: item.CustomID,
			Params: anthropic.BetaMessageBatchNewParamsRequestParams{
				Model: p.order.Model, MaxTokens: 4096,
				Messages: []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock(item.Prompt))},
			},
		})
	}
	return params
}

func betaBatchV2(b *anthropic.BetaMessageBatch, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return batchV2(&anthropic.MessageBatch{
		ID: b.ID, ProcessingStatus: anthropic.MessageBatchProcessingStatus(b.ProcessingStatus),
		RequestCounts: anthropic.MessageBatchRequestCounts(b.RequestCounts),
	}, nil)
}

func betaResultV2(r anthropic.BetaMessageBatchIndividualResponse) batchResult {
	result := batchResult{CustomID: r.CustomID, End: r.Result.Type, Error: r.Result.Error.Error.Message}
	for _, block := range r.Result.Message.Content {
		result.Text += block.Text
	}
	return result
}
