package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/activities"
)

// MoreItems is what the update AddItems takes.
type MoreItems struct {
	Items []activities.BatchItem `json:"items"`
	Close bool                   `json:"close,omitempty"` // these are the last
}

// listen takes queries and updates from now on.
func (b *batch) listen(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, ProgressQuery, b.progress, workflow.QueryHandlerOptions{
		Description: "How far the batch is, and what it waits for.",
	})
	if err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, AddItemsUpdate, b.addItems, workflow.UpdateHandlerOptions{
		Description: "Adds items to an open batch, all or none, and answers how many it has then.",
		Validator:   func(_ workflow.Context, in MoreItems) error { return b.takes(in) },
	})
}

// takes tells whether items may be added, before anything is on record of it.
func (b *batch) takes(in MoreItems) error {
	switch {
	case !b.open:
		return errors.New("the batch takes no more items: it was not started with open, or has been closed. Start another batch")
	case b.stop != "" || b.closing:
		return errors.New("the batch takes no more items: it is being closed. Start another batch")
	case len(in.Items) > activities.MaxInline:
		return fmt.Errorf("there are %d items, and at most %d can be added at once. Add them in several updates", len(in.Items), activities.MaxInline)
	case len(in.Items) == 0 && !in.Close:
		return errors.New("there are no items. Give some, or set close")
	}
	return nil
}

// addItems is the update AddItems. Several that come together are done one after the other. A repetition has the same
// update id, and is answered by Temporal.
func (b *batch) addItems(ctx workflow.Context, in MoreItems) (int, error) {
	ctx, release := workflow.NewDisconnectedContext(ctx)
	defer release()
	if err := workflow.Await(ctx, func() bool { return b.ready }); err != nil {
		return 0, err
	}
	if err := b.adding.Lock(ctx); err != nil {
		return 0, err
	}
	defer b.adding.Unlock()
	defer func() { b.changed = true }()
	if err := b.takes(in); err != nil {
		return 0, err
	}
	err := b.add(ctx, in)
	return b.total, err
}

// add puts items on record. They are added by an activity of their own, which is not begun before the update itself is in
// the history: a worker that died in between would leave items behind that the workflow knows nothing of.
func (b *batch) add(ctx workflow.Context, in MoreItems) error {
	var total int
	err := workflow.ExecuteActivity(b.patiently(ctx, fmt.Sprintf("adds %d items", len(in.Items))), b.steps.AddItems,
		activities.AddedItems{Batch: b.id, From: b.total, Items: in.Items, Close: in.Close}).Get(ctx, &total)
	if err != nil {
		return cause(err)
	}
	b.total = total
	if in.Close {
		b.open = false
	}
	return nil
}

// closeIfTold puts on record that there will be no more items, if the owner has said so.
func (b *batch) closeIfTold(ctx workflow.Context) error {
	if !b.closing {
		return nil
	}
	if err := b.adding.Lock(ctx); err != nil {
		return err
	}
	defer b.adding.Unlock()
	defer func() { b.closing = false }()
	if !b.open || b.stop != "" {
		return nil
	}
	return b.add(ctx, MoreItems{Close: true})
}
