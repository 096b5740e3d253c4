package clients_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// batches makes a call about batches.
func (p *programOpenAI) batches(ctx context.Context) (reply, error) {
	batches, asked, answer := &p.client.Batches, p.order.Batch, option.WithResponseInto(&p.answer)
	switch p.order.Call {
	case "batch_create":
		return batchOpenAI(batches.New(ctx, openai.BatchNewParams{
			InputFileID: asked.ID, Endpoint: openai.BatchNewParamsEndpoint(asked.Endpoint),
			CompletionWindow: openai.BatchNewParamsCompletionWindow24h, Metadata: asked.Metadata,
		}, answer))
	case "batch_get":
		return batchOpenAI(batches.Get(ctx, asked.ID, answer))
	case "batch_finish":
		return p.finish(ctx)
	case "batch_list":
		pages := batches.ListAutoPaging(ctx, openai.BatchListParams{Limit: openai.Int(int64(p.order.Page))})
		return listed(all(pages, func(b openai.Batch) string { return b.ID }))
	case "batch_cancel":
		return batchOpenAI(batches.Cancel(ctx, asked.ID, answer))
	}
	return p.files(ctx)
}

// finish waits for the end of a batch and reads both files.
func (p *programOpenAI) finish(ctx context.Context) (reply, error) {
	batch, err := ended(ctx,
		func() (*openai.Batch, error) { return p.client.Batches.Get(ctx, p.order.Batch.ID) },
		func(b *openai.Batch) bool {
			return slices.Contains([]openai.BatchStatus{"completed", "failed", "expired", "cancelled"}, b.Status)
		})
	if err != nil {
		return reply{}, err
	}
	r, _ := batchOpenAI(batch, nil)
	if r.Batch.Output, err = p.content(ctx, batch.OutputFileID); err != nil {
		return reply{}, err
	}
	r.Batch.Errors, err = p.content(ctx, batch.ErrorFileID)
	return r, err
}

// files makes a call about files.
func (p *programOpenAI) files(ctx context.Context) (reply, error) {
	files, id, answer := &p.client.Files, p.order.Batch.ID, option.WithResponseInto(&p.answer)
	switch p.order.Call {
	case "file_create":
		file := openai.File(strings.NewReader(p.order.Batch.File), "prompts.jsonl", "application/jsonl")
		return fileOpenAI(files.New(ctx, openai.FileNewParams{File: file, Purpose: openai.FilePurposeBatch}, answer))
	case "file_get":
		return fileOpenAI(files.Get(ctx, id, answer))
	case "file_list":
		pages := files.ListAutoPaging(ctx, openai.FileListParams{Purpose: openai.String("batch"), Limit: openai.Int(int64(p.order.Page))})
		return listed(all(pages, func(f openai.FileObject) string { return f.ID }))
	case "file_content":
		content, err := p.content(ctx, id)
		return reply{Batch: batchReply{Output: content}}, err
	case "file_delete":
		deleted, err := files.Delete(ctx, id, answer)
		if err != nil || !deleted.Deleted {
			return reply{}, err
		}
		return reply{Batch: batchReply{ID: deleted.ID, Status: "deleted"}}, nil
	}
	return reply{}, errors.New("there is no call " + p.order.Call)
}

// content is what a file holds; of no file, nothing.
func (p *programOpenAI) content(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	res, err := p.client.Files.Content(ctx, id)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	return string(content), err
}

// batchOpenAI is what the suite compares of a batch.
func batchOpenAI(b *openai.Batch, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	r := batchReply{
		ID: b.ID, Status: string(b.Status), Metadata: b.Metadata,
		Total: b.RequestCounts.Total, Succeeded: b.RequestCounts.Completed, Errored: b.RequestCounts.Failed,
	}
	for _, e := range b.Errors.Data {
		r.Mistakes = append(r.Mistakes, batchMistake{e.Code, e.Message, e.Line})
	}
	return reply{Batch: r, InputTokens: b.Usage.InputTokens, OutputTokens: b.Usage.OutputTokens}, nil
}

// fileOpenAI is what it compares of a file.
func fileOpenAI(f *openai.FileObject, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return reply{Batch: batchReply{
		ID: f.ID, Name: f.Filename, Bytes: f.Bytes, Purpose: string(f.Purpose),
	}}, nil
}
