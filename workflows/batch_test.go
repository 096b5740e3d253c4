package workflows_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/workflows"
)

func TestBatchRunsEveryItemOnceSeveralChunksAtATime(t *testing.T) {
	o := newOffice(95)
	var four sync.WaitGroup
	four.Add(4)
	o.work = func(c gateway.Chunk) (int, gateway.Wait, error) {
		if c.From < 40 { // the first four wait for each other
			four.Done()
			four.Wait()
		}
		return 10, gateway.Wait{}, nil
	}
	s := o.run(t, o.environment())
	require.Equal(t, gateway.BatchCompleted, s.End)
	require.Equal(t, activities.BatchCounts{Total: 95, Succeeded: 95}, s.Counts)
	require.Len(t, o.chunks, 10)
	require.Equal(t, 4, o.busiest)
	require.Empty(t, o.waits, "it waited for nothing")
}

// spent lets so many items succeed, and the rest wait for the quota until the time.
func (o *office) spent(left int, until time.Time) {
	o.work = func(c gateway.Chunk) (int, gateway.Wait, error) {
		if !o.now().Before(until) {
			return c.To - c.From, gateway.Wait{}, nil
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		n := min(left, c.To-c.From)
		left -= n
		return n, gateway.Wait{Reason: gateway.WaitQuota, Until: until}, nil
	}
}

func TestBatchWaitsForItsOwnersQuota(t *testing.T) {
	o := newOffice(25)
	env := o.environment()
	begun, reset := env.Now(), time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	o.spent(10, reset)
	var (
		between workflows.BatchProgress
		shown   string
	)
	env.RegisterDelayedCallback(func() {
		between, shown = progress(t, env), currentDetails(t, env)
	}, 3*time.Hour+time.Minute)
	s := o.run(t, env)

	require.Equal(t, activities.BatchCounts{Total: 25, Succeeded: 25}, s.Counts)
	require.InDelta(t, 6*time.Hour, env.Now().Sub(begun), float64(time.Second))
	require.Equal(t, activities.BatchCounts{Total: 25, Succeeded: 10}, between.Counts)
	require.Equal(t, &workflows.BatchWait{Reason: gateway.WaitQuota, Until: reset}, between.Wait)
	golden, err := os.ReadFile("testdata/batch_waiting.md")
	require.NoError(t, err)
	require.Equal(t, string(golden), shown)
	require.Equal(t, []gateway.Wait{{Reason: gateway.WaitQuota, Until: reset}, {}}, o.waits)
	// Three chunks at first, one each hour to see whether there is more, and what is left of the three in the end.
	require.Len(t, o.chunks, 3+5+2)
}

func TestBatchThatWaitsLooksAgainAndGoesOnEarly(t *testing.T) {
	o := newOffice(95)
	env := o.environment()
	begun := env.Now()
	o.spent(3, begun.Add(6*time.Hour))
	env.RegisterDelayedCallback(func() { o.set(func() { o.work = nil }) }, 90*time.Minute) // somebody raises the limit
	s := o.run(t, env)
	require.Equal(t, 95, s.Counts.Succeeded)
	require.InDelta(t, 2*time.Hour, env.Now().Sub(begun), float64(time.Second))
	require.Equal(t, gateway.Wait{}, o.waits[len(o.waits)-1])
}

func TestBatchPutsOffWhatABackendsOwnBatchHas(t *testing.T) {
	o := newOffice(60)
	env := o.environment()
	begun := env.Now()
	ready := begun.Add(10 * time.Minute)
	var others time.Time
	o.work = func(c gateway.Chunk) (int, gateway.Wait, error) {
		if c.From == 0 && o.now().Before(ready) {
			return 0, gateway.Wait{Reason: gateway.WaitNative, Until: begun.Add(o.now().Sub(begun).Truncate(time.Minute) + time.Minute).UTC()}, nil
		}
		if c.From > 0 {
			others = o.now()
		}
		return 10, gateway.Wait{}, nil
	}
	var between workflows.BatchProgress
	env.RegisterDelayedCallback(func() { between = progress(t, env) }, 330*time.Second)
	s := o.run(t, env)
	require.Equal(t, 60, s.Counts.Succeeded)
	require.InDelta(t, 10*time.Minute, env.Now().Sub(begun), float64(time.Second))
	require.Less(t, others.Sub(begun), time.Minute, "the others need not wait")
	require.Equal(t, &workflows.BatchWait{Reason: gateway.WaitNative, Until: begun.Add(6 * time.Minute).UTC()}, between.Wait)
	require.Equal(t, 50, between.Counts.Succeeded)
}

func TestChunkThatDoesNothingIsTriedEverMoreSeldom(t *testing.T) {
	o := newOffice(10)
	env := o.environment()
	begun := env.Now()
	tries := 0
	o.work = func(gateway.Chunk) (int, gateway.Wait, error) {
		if tries++; tries <= 7 {
			return 0, gateway.Wait{Reason: gateway.WaitBackend, Until: o.now().Add(-time.Second)}, nil // by a clock that is behind
		}
		return 10, gateway.Wait{}, nil
	}
	require.Equal(t, 10, o.run(t, env).Counts.Succeeded)
	require.InDelta(t, (2+4+8+16+32+60+60)*time.Second, env.Now().Sub(begun), float64(time.Second))
}

func TestChunkWhoseTimeIsOverGoesOnAtOnce(t *testing.T) {
	o := newOffice(10)
	env := o.environment()
	begun := env.Now()
	o.work = func(gateway.Chunk) (int, gateway.Wait, error) { return 1, gateway.Wait{}, nil }
	require.Equal(t, 10, o.run(t, env).Counts.Succeeded)
	require.Len(t, o.chunks, 10)
	require.Less(t, env.Now().Sub(begun), time.Second)
}

func TestBatchThatIsStoppedMarksWhatHasNotRun(t *testing.T) {
	for name, c := range map[string]struct {
		stop func(*testsuite.TestWorkflowEnvironment)
		end  gateway.BatchEnd
		took time.Duration
		want activities.BatchCounts
	}{
		"by its owner": {
			func(env *testsuite.TestWorkflowEnvironment) {
				env.SignalWorkflow(workflows.CancelSignal, nil)
				env.SignalWorkflow(workflows.CancelSignal, nil)
			}, gateway.BatchCanceled, time.Minute, activities.BatchCounts{Total: 25, Succeeded: 10, Canceled: 15},
		},
		"through Temporal": {
			func(env *testsuite.TestWorkflowEnvironment) { env.CancelWorkflow() }, gateway.BatchCanceled, time.Minute,
			activities.BatchCounts{Total: 25, Succeeded: 10, Canceled: 15},
		},
		"by the end of its time": {
			func(*testsuite.TestWorkflowEnvironment) {}, gateway.BatchExpired, 24 * time.Hour,
			activities.BatchCounts{Total: 25, Succeeded: 10, Expired: 15},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(25)
			env := o.environment()
			begun := env.Now()
			o.spent(10, begun.Add(48*time.Hour))
			env.RegisterDelayedCallback(func() { c.stop(env) }, time.Minute)
			s := o.run(t, env)
			require.Equal(t, c.end, s.End)
			require.Equal(t, c.want, s.Counts)
			require.InDelta(t, c.took, env.Now().Sub(begun), float64(time.Second))
			require.Equal(t, c.end == gateway.BatchCanceled, !o.batch.CancelRequestedAt.IsZero())
			require.Equal(t, string(c.end), o.found["RequestStatus"])
		})
	}
}

func TestBatchThatIsCanceledWhileChunksRunKeepsWhatTheyDid(t *testing.T) {
	o := newOffice(25)
	env := o.environment()
	o.work = func(c gateway.Chunk) (int, gateway.Wait, error) {
		if c.From == 0 {
			env.SignalWorkflow(workflows.CancelSignal, nil)
		}
		return 4, gateway.Wait{}, nil
	}
	s := o.run(t, env)
	require.Equal(t, gateway.BatchCanceled, s.End)
	require.Equal(t, 25, s.Counts.Succeeded+s.Counts.Canceled)
	require.Positive(t, s.Counts.Canceled)
}

func TestBatchOfWhichTheRecordSaysThatItIsCanceledStartsNothing(t *testing.T) {
	o := newOffice(25)
	env := o.environment()
	o.batch.CancelRequestedAt = env.Now()
	require.Equal(t, activities.BatchCounts{Total: 25, Canceled: 25}, o.run(t, env).Counts)
	require.Empty(t, o.chunks)
}

func TestBatchThatIsCanceledTooLateIsCompleted(t *testing.T) {
	o := newOffice(10)
	env := o.environment()
	o.ending = func() { env.SignalWorkflow(workflows.CancelSignal, nil) }
	require.Equal(t, gateway.BatchCompleted, o.run(t, env).End)
}

func TestBatchThatIsCanceledAsItsRunEndsHearsIt(t *testing.T) {
	o := newOffice(10)
	env := o.environment()
	suggestAfter(env, 1)
	o.spent(3, env.Now().Add(time.Hour))
	o.holding = func() { env.SignalWorkflow(workflows.CancelSignal, nil) }
	require.Equal(t, activities.BatchCounts{Total: 10, Succeeded: 3, Canceled: 7}, o.run(t, env).Counts)
}

func TestProgressCountsWhatChunksDidBefore(t *testing.T) {
	o := newOffice(10)
	env := o.environment()
	tries := 0
	o.work = func(gateway.Chunk) (int, gateway.Wait, error) {
		if tries++; tries > 1 && tries < 5 {
			return 0, gateway.Wait{}, errAway
		}
		return 4, gateway.Wait{}, nil
	}
	var between workflows.BatchProgress
	env.RegisterDelayedCallback(func() { between = progress(t, env) }, 5*time.Second)
	o.run(t, env)
	require.Equal(t, 1, between.RunningChunks)
	require.Equal(t, activities.BatchCounts{Total: 10, Succeeded: 4}, between.Counts)
	require.Equal(t, gateway.BatchRunning, between.State)
}

func TestBatchThatHasEndedAnswersHow(t *testing.T) {
	o := newOffice(10)
	o.batch.State, o.batch.End, o.batch.Counts = gateway.BatchEnded, gateway.BatchExpired, gateway.ItemCounts{Expired: 10}
	require.Equal(t, gateway.BatchExpired, o.run(t, o.environment()).End)
	require.Empty(t, o.chunks)
}

func TestBatchWhoseInputIsBadIsRefused(t *testing.T) {
	o := newOffice(0)
	o.batch.InputFile = requestID()
	env := o.environment()
	s := o.run(t, env)
	require.Equal(t, gateway.BatchRefused, s.End)
	require.Len(t, s.Errors, 1)
	require.Equal(t, 1, s.Errors[0].Line)
	require.Empty(t, o.chunks)
	require.Equal(t, "refused", o.found["RequestStatus"])
}

func TestBatchOutlastsWhatFails(t *testing.T) {
	o := newOffice(95)
	o.flaky = true
	failures := 0
	o.work = func(gateway.Chunk) (int, gateway.Wait, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if failures++; failures%3 == 0 {
			return 0, gateway.Wait{}, errAway
		}
		return 7, gateway.Wait{}, nil
	}
	s := o.run(t, o.environment())
	require.Equal(t, gateway.BatchCompleted, s.End)
	require.Equal(t, 95, s.Counts.Succeeded)
}

func TestBatchThatIsGoneFails(t *testing.T) {
	o := newOffice(95)
	env := o.environment()
	o.batch.ID[0]++
	env.ExecuteWorkflow(workflows.Batch, workflows.BatchInput{ID: requestID()})
	require.ErrorContains(t, env.GetWorkflowError(), "There is no batch 0195d000-0000-7000-8000-000000000001, or it was deleted.")
}

func TestBatchWhoseChunkCannotBeDoneFails(t *testing.T) {
	o := newOffice(95)
	o.work = func(gateway.Chunk) (int, gateway.Wait, error) {
		return 0, gateway.Wait{}, temporal.NewNonRetryableApplicationError("no way", "x", nil)
	}
	env := o.environment()
	env.ExecuteWorkflow(workflows.Batch, workflows.BatchInput{ID: o.batch.ID})
	require.ErrorContains(t, env.GetWorkflowError(), "no way")
}

// suggestAfter lets the history be too long when so many chunks have come back.
func suggestAfter(env *testsuite.TestWorkflowEnvironment, chunks int) {
	env.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) {
		if info.ActivityType.Name == "Chunk" {
			chunks--
		}
		env.SetContinueAsNewSuggested(chunks <= 0)
	})
}

// TestBatchGoesOnInNewRuns runs a batch whose history is too long again and again, with a wait for the quota, a chunk
// that is put off and one that was cut short on the way.
func TestBatchGoesOnInNewRuns(t *testing.T) {
	o := newOffice(95)
	begun := time.Date(2026, 3, 9, 18, 0, 0, 0, time.UTC)
	putOff, spent := begun.Add(45*time.Minute), begun.Add(80*time.Minute)
	o.batch.ExpiresAt = begun.Add(24 * time.Hour)
	input, runs, early := workflows.BatchInput{ID: o.batch.ID}, 0, 0
	for ; runs < 20; runs++ {
		env := o.environment()
		env.SetStartTime(begun.Add(time.Duration(runs) * 30 * time.Minute))
		suggestAfter(env, 4)
		o.work = func(c gateway.Chunk) (int, gateway.Wait, error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			switch {
			case runs == 0 && c.From == 0:
				return 5, gateway.Wait{Reason: gateway.WaitNative, Until: putOff}, nil
			case runs == 1 && c.From > 0:
				return 3, gateway.Wait{Reason: gateway.WaitQuota, Until: spent}, nil
			case runs == 1 && o.now().Before(putOff), runs == 2 && o.now().Before(spent):
				early++
			}
			return 8, gateway.Wait{}, nil
		}
		env.ExecuteWorkflow(workflows.Batch, input)
		again, ok := errors.AsType[*workflow.ContinueAsNewError](env.GetWorkflowError())
		if !ok {
			require.Equal(t, activities.BatchCounts{Total: 95, Succeeded: 95}, summary(t, env).Counts)
			break
		}
		require.Equal(t, len(o.results), progress(t, env).Counts.Succeeded)
		input = workflows.BatchInput{}
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &input))
	}
	require.Greater(t, runs, 2)
	require.Zero(t, early, "what was waited for in the run before is waited for in the next")
	require.Equal(t, gateway.BatchEnded, o.batch.State)
}

func TestTextsOfABatchStayWithinTemporalsLimits(t *testing.T) {
	o := newOffice(10)
	long := strings.Repeat("模", 5000)
	o.batch.Principal = gateway.Principal{Subject: "s-1", User: long, Tier: gateway.Tier(long)}
	env := o.environment()
	o.run(t, env)
	require.LessOrEqual(t, len(workflows.BatchTitle(&o.batch)), 400)
	require.LessOrEqual(t, len(currentDetails(t, env)), 20_000)
	for key, value := range o.found {
		require.LessOrEqual(t, utf8.RuneCountInString(fmt.Sprint(value)), 255, key)
	}
}
