package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// permission is what a user is given who wants to start a batch through Temporal.
func (o *owner) permission(t *testing.T, endpoint string) (p api.Submission) {
	t.Helper()
	o.want(t, http.StatusOK, &p, http.MethodPost, "/batches/submissions", fmt.Sprintf(`{"endpoint":%q}`, endpoint))
	return p
}

// started is a batch's workflow, as its starter has it.
type started struct {
	client.WorkflowRun
	client.Client
}

// start starts a batch with JSON for its input, as people do.
func (w *world) start(t *testing.T, id, queue, input string) started {
	t.Helper()
	c := w.temporal(t)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: queue}, "Batch", json.RawMessage(input))
	if err != nil {
		t.Fatal(err)
	}
	return started{run, c}
}

// summary is what the workflow answers, and the parts of its progress that are named alike.
type summary struct {
	ID, State, End string
	Open           bool
	Counts         struct{ Total, Succeeded, Errored, Canceled, Expired int }
	OutputFile     string `json:"output_file"`
}

// summary waits for the workflow's end.
func (s started) summary(t *testing.T) (sum summary) {
	t.Helper()
	if err := s.Get(t.Context(), &sum); err != nil {
		t.Fatal(err)
	}
	return sum
}

func (s started) progress(t *testing.T) (p summary) {
	t.Helper()
	answer, err := s.QueryWorkflow(t.Context(), s.GetID(), "", "Progress")
	if err == nil {
		err = answer.Get(&p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// add adds items to an open batch and answers how many it has then.
func (s started) add(t *testing.T, more string) (total int, err error) {
	t.Helper()
	update, err := s.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: s.GetID(), UpdateName: "AddItems", Args: []any{json.RawMessage(more)}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return 0, err
	}
	return total, update.Get(t.Context(), &total)
}

// inline are items as the workflow takes them.
func inline(items ...item) string {
	all := make([]string, len(items))
	for i, it := range items {
		all[i] = fmt.Sprintf(`{"custom_id":%q,"body":%s}`, it.id, message(model, it.prompt, false))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func throughTemporal(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	for _, endpoint := range []string{"/v1/messages", "/v1/chat/completions"} {
		p := o.permission(t, endpoint)
		input := fmt.Sprintf(`{"token":%q,"endpoint":%q,"metadata":{"job":"night"},"items":%s}`, p.Token, endpoint, inline(items(12, "hello")...))
		run := w.start(t, p.WorkflowID, p.TaskQueue, input)
		sum := run.summary(t)
		if sum.ID != p.ID || sum.End != "completed" || sum.Counts.Total != 12 || sum.Counts.Succeeded != 12 {
			t.Errorf("%+v", sum)
		}
		if progress := run.progress(t); progress.State != "ended" || progress.Counts != sum.Counts {
			t.Errorf("progress %+v", progress)
		}
		b := o.show(t, p.ID)
		if b.Metadata["job"] != "night" || b.Endpoint != endpoint {
			t.Errorf("%+v", b)
		}
		o.provedAs(t, b, "completed", 12, 0)
		// The permission is for this one batch, which is answered again and not made twice.
		if again := w.start(t, p.WorkflowID, p.TaskQueue, input).summary(t); again != sum {
			t.Errorf("once more: %+v, want %+v", again, sum)
		}
		o.provedAs(t, o.show(t, p.ID), "completed", 12, 0)
	}
}

func aFileThroughTemporal(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	file := o.upload(t, lines(model, items(250, "hello")))
	p := o.permission(t, "/v1/chat/completions")
	sum := w.start(t, p.WorkflowID, p.TaskQueue, fmt.Sprintf(`{"token":%q,"endpoint":"/v1/chat/completions","file_id":%q}`, p.Token, file)).summary(t)
	if sum.End != "completed" || sum.Counts.Succeeded != 250 {
		t.Errorf("%+v", sum)
	}
	b := o.show(t, p.ID)
	o.provedAs(t, b, "completed", 250, 0)
	output := o.want(t, http.StatusOK, nil, http.MethodGet, openaiFiles+"/"+sum.OutputFile+"/content", "").body
	if n := strings.Count(output, "\n"); n != 250 {
		t.Errorf("%d lines of output", n)
	}

	// Another's file is none.
	thief := w.owner(t, "pro")
	p = thief.permission(t, "/v1/chat/completions")
	err := w.start(t, p.WorkflowID, p.TaskQueue, fmt.Sprintf(`{"token":%q,"endpoint":"/v1/chat/completions","file_id":%q}`, p.Token, file)).Get(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), thief.name()+" has no file "+file) {
		t.Errorf("another's file: %v", err)
	}
	thief.listsNothing(t)
}

func anOpenBatch(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	p := o.permission(t, "/v1/messages")
	run := w.start(t, p.WorkflowID, p.TaskQueue, fmt.Sprintf(`{"token":%q,"endpoint":"/v1/messages","open":true}`, p.Token))
	all := items(30, "hello")
	for n := 0; n < len(all); n += 10 {
		total, err := run.add(t, fmt.Sprintf(`{"items":%s}`, inline(all[n:n+10]...)))
		if err != nil || total != n+10 {
			t.Fatalf("after %d items: %d, %v", n+10, total, err)
		}
	}
	if _, err := run.add(t, fmt.Sprintf(`{"items":%s}`, inline(item{"new", "hello"}, all[4]))); err == nil || !strings.Contains(err.Error(), "items[1].custom_id") {
		t.Errorf("a custom_id twice: %v", err)
	}
	b := o.until(t, p.ID, time.Minute, "all have ended, and it waits for more", func(b api.Batch) bool { return b.Counts.Succeeded == 30 && b.Waiting != nil })
	if !b.Open || b.State != "running" || b.Waiting.Reason != "items" {
		t.Errorf("%+v", b)
	}
	if progress := run.progress(t); !progress.Open || progress.State != "running" || progress.Counts.Succeeded != 30 {
		t.Errorf("progress %+v", progress)
	}
	if err := run.SignalWorkflow(t.Context(), run.GetID(), "", "Close", nil); err != nil {
		t.Fatal(err)
	}
	if sum := run.summary(t); sum.End != "completed" || sum.Counts.Total != 30 {
		t.Errorf("%+v", sum)
	}
	o.provedAs(t, o.show(t, p.ID), "completed", 30, 0)
	if _, err := run.add(t, fmt.Sprintf(`{"items":%s}`, inline(item{"late", "hello"}))); err == nil {
		t.Error("items were added to a batch that has ended")
	}
}

func anOpenBatchCancelled(t *testing.T, w *world) {
	for name, stop := range map[string]func(started) error{
		"by the signal": func(run started) error { return run.SignalWorkflow(t.Context(), run.GetID(), "", "Cancel", nil) },
		"as a workflow": func(run started) error { return run.CancelWorkflow(t.Context(), run.GetID(), "") },
	} {
		o := w.owner(t, "pro")
		p := o.permission(t, "/v1/messages")
		run := w.start(t, p.WorkflowID, p.TaskQueue, fmt.Sprintf(`{"token":%q,"endpoint":"/v1/messages","open":true,"items":%s}`, p.Token, inline(items(200, "[x-mock: delay=1s] slow")...)))
		o.startedBatch(t, p.ID)
		o.until(t, p.ID, time.Minute, "some have ended", func(b api.Batch) bool { return b.Counts.Succeeded > 0 })
		if err := stop(run); err != nil {
			t.Fatal(err)
		}
		sum := run.summary(t)
		if sum.End != "canceled" || sum.Counts.Succeeded == 0 || sum.Counts.Canceled == 0 {
			t.Errorf("%s: %+v", name, sum)
		}
		o.provedAs(t, o.show(t, p.ID), "canceled", sum.Counts.Succeeded, 0)
	}
}

// startedBatch waits until a batch that was started through Temporal is there.
func (o *owner) startedBatch(t *testing.T, id string) {
	t.Helper()
	eventually(t, time.Minute, "batch "+id+" is there", func() bool {
		return o.call(t.Context(), http.MethodGet, "/batches/"+id, nil).status == http.StatusOK
	})
}

func withoutAGoodToken(t *testing.T, w *world) {
	o, other := w.owner(t, "pro"), w.owner(t, "enterprise")
	mine, others := o.permission(t, "/v1/messages"), other.permission(t, "/v1/messages")
	parts := strings.Split(mine.Token, ".")
	forged := strings.Join([]string{parts[0], strings.Split(others.Token, ".")[1], parts[2]}, ".")
	for name, c := range map[string]struct{ token, id, says string }{
		"none at all":          {"", mine.ID, "token"},
		"one that is forged":   {forged, others.ID, "token"},
		"one of another batch": {others.Token, mine.ID, others.ID},
		"a user's own token":   {o.token, mine.ID, "token"},
	} {
		run := w.start(t, c.id, mine.TaskQueue, fmt.Sprintf(`{"token":%q,"endpoint":"/v1/messages","items":%s}`, c.token, inline(items(2, "hello")...)))
		err := run.Get(t.Context(), nil)
		said, ok := errors.AsType[*temporal.ApplicationError](err)
		if !ok || !strings.Contains(said.Message(), c.says) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.says)
		}
	}
	for _, someone := range []*owner{o, other} {
		someone.listsNothing(t)
		someone.leftNothing(t)
	}
}

func aService(t *testing.T, w *world) {
	id := uuid.Must(uuid.NewV7())
	public := gateway.PublicBatchID(gateway.Anthropic, id)
	queue := w.owner(t, "pro").permission(t, "/v1/messages").TaskQueue
	input := fmt.Sprintf(`{"token":%q,"endpoint":"/v1/messages","items":%s}`, w.nightly.permit(t, id), inline(items(3, "hello")...))
	sum := w.start(t, public, queue, input).summary(t)
	if sum.End != "completed" || sum.Counts.Succeeded != 3 {
		t.Errorf("%+v", sum)
	}
	var subject, user, tier string
	var n int
	err := w.db(t, "auditor").QueryRow(t.Context(), `SELECT subject, user_name, tier, count(*) FROM ledger WHERE batch_id = $1 GROUP BY 1, 2, 3`, id).Scan(&subject, &user, &tier, &n)
	if err != nil || subject != serviceSubject || user != serviceUser || tier != "pro" || n != 3 {
		t.Errorf("on record: %q %q %q %d, %v", subject, user, tier, n, err)
	}

	// It names a user's batch, which is not its own.
	o := w.owner(t, "pro")
	theirs := o.submit(t, model, items(2, "hello"))
	o.provedAs(t, o.ended(t, theirs), "completed", 2, 0)
	before := o.show(t, theirs)
	token := w.nightly.permit(t, batchID(t, theirs))
	eventually(t, time.Minute, "the workflow of the user's batch has closed", func() bool {
		run, err := w.temporal(t).DescribeWorkflowExecution(t.Context(), theirs, "")
		return err == nil && run.GetWorkflowExecutionInfo().GetCloseTime() != nil
	})
	err = w.start(t, theirs, queue, fmt.Sprintf(`{"token":%q,"endpoint":"/v1/messages","items":%s}`, token, inline(items(2, "hello")...))).Get(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "another batch") {
		t.Errorf("a user's batch: %v", err)
	}
	if after := o.show(t, theirs); after.End != before.End || after.Counts != before.Counts {
		t.Errorf("%+v became %+v", before, after)
	}
}

func aTerminatedWorkflow(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	id := o.submit(t, model, items(120, "[x-mock: delay=1s] slow"))
	o.until(t, id, time.Minute, "some items have ended", func(b api.Batch) bool { return b.Counts.Succeeded > 0 })
	if err := w.temporal(t).TerminateWorkflow(t.Context(), id, "", "by mistake"); err != nil {
		t.Fatal(err)
	}
	terminated := time.Now()
	b := o.ended(t, id)
	o.provedAs(t, b, "completed", 120, 0)
	t.Logf("ended %s after the workflow was terminated", time.Since(terminated).Round(time.Second))
}
