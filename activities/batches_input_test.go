package activities_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// line is a good line of an input file.
func line(name string) string {
	return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[]}}`, name) + "\n"
}

func lines(n int) (text string, names []string) {
	for i := range n {
		names = append(names, fmt.Sprint("i-", i))
		text += line(names[i])
	}
	return text, names
}

// fromFile puts a batch on record that is made of a file.
func (o *office) fromFile(file uuid.UUID) uuid.UUID {
	return o.accepted(func(b *gateway.Batch) { b.Endpoint, b.InputFile = gateway.Chat, file })
}

func TestBeginReadsTheFileIntoItems(t *testing.T) {
	o := newOffice(t)
	text, names := lines(1200)
	text = strings.TrimSuffix(text, "\n")
	for name, piece := range map[string]int{"in chunks that cut lines": 1000, "in chunks of many lines": 100_000} {
		t.Run(name, func(t *testing.T) {
			id := o.fromFile(o.upload(text, piece))
			var begun activities.Begun
			require.NoError(t, o.call(&begun, o.steps.Begin, id))
			require.Equal(t, activities.Begun{Total: 1200}, begun)
			require.Equal(t, names, o.items(id))
			b, err := o.Batch(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, gateway.BatchRunning, b.State)
			require.Equal(t, 1200, b.Total)
			require.NoError(t, o.call(&begun, o.steps.Begin, id)) // again
			require.Equal(t, activities.Begun{Total: 1200}, begun)
		})
	}
}

func TestBeginGoesOnWhereAnotherWorkerDied(t *testing.T) {
	o := newOffice(t)
	text, names := lines(300)
	id := o.fromFile(o.upload(text, 1000))
	require.Equal(t, activities.Begun{Total: 300}, o.beginTwice(id, 13))
	require.Equal(t, names, o.items(id))
}

func TestBeginForgetsNoMistakeWhenAWorkerDies(t *testing.T) {
	o := newOffice(t)
	text, _ := lines(300)
	id := o.fromFile(o.upload("{}\n"+text+"{}\n", 1000))
	require.Equal(t, activities.Begun{Refused: true}, o.beginTwice(id, 13))
	b, err := o.Batch(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, b.InputErrors, 2)
	require.Equal(t, []int{1, 302}, []int{b.InputErrors[0].Line, b.InputErrors[1].Line})
}

// beginTwice runs Begin until it comes to a chunk of the file, and then again as another worker does.
func (o *office) beginTwice(id uuid.UUID, chunk int) (b activities.Begun) {
	o.t.Helper()
	var last converter.EncodedValues
	env := o.env()
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) { last = details })
	o.breakOff = chunk
	_, err := env.ExecuteActivity(o.steps.Begin, id)
	require.ErrorContains(o.t, err, "away")
	require.NotEmpty(o.t, o.items(id))

	var cursor any
	require.NoError(o.t, last.Get(&cursor))
	o.breakOff = 0
	env = o.env()
	env.SetHeartbeatDetails(cursor)
	answer, err := env.ExecuteActivity(o.steps.Begin, id)
	require.NoError(o.t, err)
	require.NoError(o.t, answer.Get(&b))
	return b
}

func TestBeginRefusesAFileWithMistakesAndNamesTheirLines(t *testing.T) {
	o := newOffice(t)
	good, _ := lines(700)
	many := strings.Repeat("{}\n", 200)
	for name, c := range map[string]struct {
		file string
		want []string // code and line
	}{
		"a broken line far down":          {good + "{\"custom_id\":\n" + line("x"), []string{"invalid_json_line 701"}},
		"two lines of one name":           {line("a") + line("b") + line("a"), []string{"duplicate_custom_id 3"}},
		"two of one name, far apart":      {good + line("i-3") + line("new") + line("i-699"), []string{"duplicate_custom_id 701", "duplicate_custom_id 703"}},
		"mistakes of several kinds":       {"[]\n" + line("a") + "\n" + line("a") + strings.ReplaceAll(line("b"), "POST", "GET"), []string{"invalid_json_line 1", "duplicate_custom_id 4", "invalid_method 5"}},
		"more mistakes than one can read": {many, repeated("missing_required_parameter", 50)},
		"a line that is too long":         {line("a") + line(strings.Repeat("a", 2000)), []string{"line_too_long 2"}},
		"no lines":                        {"\n\n", []string{"empty_file 0"}},
		"too many lines":                  {good + good2(1400), []string{"too_many_tasks 2001"}},
	} {
		t.Run(name, func(t *testing.T) {
			id := o.fromFile(o.upload(c.file, 5000))
			for range 2 {
				var begun activities.Begun
				require.NoError(t, o.call(&begun, o.steps.Begin, id))
				require.Equal(t, activities.Begun{Refused: true}, begun)
			}
			b, err := o.Batch(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, gateway.BatchRefused, b.End)
			var told []string
			for _, mistake := range b.InputErrors {
				require.NotEmpty(t, mistake.Message)
				told = append(told, fmt.Sprint(mistake.Code, " ", mistake.Line))
			}
			slices.SortFunc(told, func(a, b string) int { return slices.Index(c.want, a) - slices.Index(c.want, b) })
			require.Equal(t, c.want, told)
			require.Empty(t, o.items(id))
			var plan activities.BatchPlan
			require.NoError(t, o.call(&plan, o.steps.Load, id))
			require.Len(t, plan.Ended.Errors, len(c.want))
		})
	}
}

func repeated(code string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(code, " ", i+1))
	}
	return all
}

// good2 are lines with names of their own.
func good2(n int) (text string) {
	for i := range n {
		text += line(fmt.Sprint("j-", i))
	}
	return text
}

func TestBeginRefusesABatchWhoseFileWasDeleted(t *testing.T) {
	o := newOffice(t)
	file := o.upload(line("a"), 100)
	id := o.fromFile(file)
	require.NoError(t, o.DeleteFile(t.Context(), file))
	var begun activities.Begun
	require.NoError(t, o.call(&begun, o.steps.Begin, id))
	require.True(t, begun.Refused)
	b, err := o.Batch(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "file_not_found", b.InputErrors[0].Code)
}

func TestWhatIsNotThereIsNotTriedAgain(t *testing.T) {
	o := newOffice(t)
	for _, activity := range []any{o.steps.Load, o.steps.Begin} {
		err := o.call(nil, activity, uuid.New())
		require.ErrorContains(t, err, "or it was deleted")
		said, ok := errors.AsType[*temporal.ApplicationError](err)
		require.True(t, ok && said.NonRetryable())
	}
}
