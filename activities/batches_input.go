package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// What is staged in one transaction at most, and how many mistakes of a file are told.
const (
	groupItems  = 500
	groupBytes  = 1 << 20
	maxMistakes = 50
)

// errEnoughMistakes ends the reading of a file.
var errEnoughMistakes = errors.New("the file has many mistakes")

// Begun is what came of a batch's beginning.
type Begun struct {
	Total   int
	Refused bool // its input cannot be used; it has ended
}

// Begin lets a batch's items run, after it has read its input file into items, if it has one. Every line of that must be
// good, or the batch is refused and its owner is told the first mistakes.
func (b *Batches) Begin(ctx context.Context, id uuid.UUID) (Begun, error) {
	batch, err := b.batch(ctx, id)
	switch {
	case err != nil:
		return Begun{}, err
	case batch.End == gateway.BatchRefused: // by this activity, which did not come to its end
		return Begun{Refused: true}, b.Store.RefuseBatch(ctx, id, batch.InputErrors)
	case batch.State != gateway.BatchValidating:
		return b.goOn(ctx, &batch)
	}
	total := batch.Total
	if batch.InputFile != uuid.Nil {
		var mistakes []gateway.InputError
		if total, mistakes, err = b.readInput(ctx, &batch); err != nil {
			return Begun{}, err
		}
		if len(mistakes) > 0 {
			return Begun{Refused: true}, b.Store.RefuseBatch(ctx, id, mistakes)
		}
	}
	return Begun{Total: total}, b.Store.BeginBatch(ctx, id, total)
}

// goOn begins again with a batch whose workflow was terminated. If that was in the midst of AddItems, the items may be
// there and not counted: they belong to the batch.
func (b *Batches) goOn(ctx context.Context, batch *gateway.Batch) (Begun, error) {
	if !batch.Open {
		return Begun{Total: batch.Total}, nil
	}
	more, err := b.Store.Unfinished(ctx, batch.ID, batch.Total, MaxInline)
	if err != nil || len(more) == 0 {
		return Begun{Total: batch.Total}, err
	}
	total := batch.Total + len(more)
	return Begun{Total: total}, b.Store.GrowBatch(ctx, batch.ID, total, true)
}

// readInput stages the items of the batch's file.
func (b *Batches) readInput(ctx context.Context, batch *gateway.Batch) (total int, mistakes []gateway.InputError, err error) {
	in := input{Batches: b, batch: batch}
	if activity.HasHeartbeatDetails(ctx) {
		// A cursor that cannot be read is as good as none: what was staged is staged again, which changes nothing.
		_ = activity.GetHeartbeatDetails(ctx, &in.from)
	}
	in.places = in.from.Places
	err = in.read(ctx)
	if errors.Is(err, gateway.ErrNotFound) {
		if _, gone := b.Store.File(ctx, batch.InputFile); errors.Is(gone, gateway.ErrNotFound) {
			in.note(0, &gateway.InputError{Code: "file_not_found", Param: "input_file_id", Message: "The input file was deleted before it was read. Upload it again and make a new batch."})
			err = nil
		}
	}
	return in.places, in.mistakes, err
}

// cursor is how far the reading of a file is. It goes with the heartbeats, so that another worker goes on there.
type cursor struct {
	openai.Position
	Places int // that lines before it have in the batch, all staged
}

// input reads a batch's file.
type input struct {
	*Batches
	batch    *gateway.Batch
	from     cursor         // where another worker would go on
	places   int            // that lines have been given
	opened   []byte         // a chunk's bytes
	items    []gateway.Item // to be staged
	ofLine   []int          // the line of each of them
	bytes    int            // of their bodies
	mistakes []gateway.InputError
}

func (in *input) read(ctx context.Context) error {
	lines := openai.NewLines(in.Limits.Line, in.from.Position, func(n int, line []byte) error { return in.line(ctx, n, line) })
	err := in.eachChunk(ctx, func(chunk []byte) error {
		if _, err := lines.Write(chunk); err != nil {
			return err
		}
		if err := in.stage(ctx); err != nil {
			return err
		}
		if len(in.mistakes) == 0 { // else another worker goes on before the first, and finds them again
			in.from = cursor{lines.Position(), in.places}
		}
		activity.RecordHeartbeat(ctx, in.from)
		return nil
	})
	if err == nil {
		err = lines.Close()
	}
	if err == nil {
		err = in.stage(ctx)
	}
	long, ok := errors.AsType[*openai.LineTooLong](err)
	switch {
	case ok:
		in.note(long.Line, &long.InputError)
	case err != nil && !errors.Is(err, errEnoughMistakes):
		return err
	case in.places == 0 && len(in.mistakes) == 0:
		in.note(0, &gateway.InputError{Code: "empty_file", Param: "input_file_id", Message: "The input file has no lines. Each line is a request: a JSON object with custom_id, method, url and body."})
	}
	return nil
}

// eachChunk hands over the file's bytes from the cursor on.
func (in *input) eachChunk(ctx context.Context, fn func(chunk []byte) error) error {
	skip := in.from.Offset
	return in.Store.FileChunks(ctx, in.batch.InputFile, 0, func(_ int, chunk gateway.Body) (err error) {
		if skip >= chunk.Size {
			skip -= chunk.Size
			return nil
		}
		if in.opened, err = in.Bodies.Open(in.opened[:0], chunk); err != nil {
			return err
		}
		passed := skip
		skip = 0
		return fn(in.opened[passed:])
	})
}

// line takes one line of the file.
func (in *input) line(ctx context.Context, n int, line []byte) error {
	id, body, mistake := openai.ReadLine(line, in.batch.Endpoint)
	if mistake != nil {
		in.note(n, mistake)
		return in.enough()
	}
	if in.places == in.Limits.Lines {
		in.note(n, &gateway.InputError{Code: "too_many_tasks", Message: fmt.Sprintf("The file has more than %d requests, which is the most a batch takes. Split it into several files.", in.Limits.Lines)})
		return errEnoughMistakes
	}
	in.items = append(in.items, gateway.Item{Batch: in.batch.ID, N: in.places, CustomID: id, Body: in.Bodies.Body(body)})
	in.ofLine = append(in.ofLine, n)
	in.places++
	if in.bytes += len(body); len(in.items) < groupItems && in.bytes < groupBytes {
		return nil
	}
	return in.stage(ctx)
}

// note remembers a mistake of a line; 0 is that of none.
func (in *input) note(line int, mistake *gateway.InputError) {
	told := *mistake
	told.Line = line
	in.mistakes = append(in.mistakes, told)
}

// enough ends the reading when there are mistakes enough.
func (in *input) enough() error {
	if len(in.mistakes) >= maxMistakes {
		return errEnoughMistakes
	}
	return nil
}

// stage puts the items on record. It notes those with a name that another one has; the rest goes on, to find more of them.
func (in *input) stage(ctx context.Context) error {
	for len(in.items) > 0 {
		err := in.Store.AddItems(ctx, in.items)
		if err == nil {
			break
		}
		duplicate, ok := errors.AsType[*gateway.DuplicateItem](err)
		i := slices.IndexFunc(in.items, func(item gateway.Item) bool { return ok && item.N == duplicate.N })
		if i < 0 {
			return err
		}
		in.note(in.ofLine[i], &gateway.InputError{Code: "duplicate_custom_id", Param: "custom_id", Message: fmt.Sprintf("The custom_id %q is that of a line before. Give each line its own.", duplicate.CustomID)})
		if err := in.enough(); err != nil {
			return err
		}
		in.items, in.ofLine = slices.Delete(in.items, i, i+1), slices.Delete(in.ofLine, i, i+1)
	}
	in.items, in.ofLine, in.bytes = in.items[:0], in.ofLine[:0], 0
	return nil
}
