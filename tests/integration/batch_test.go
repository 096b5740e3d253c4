package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
)

// The model that the tests' tiers for batches have at whatever backend.
const model = "claude-haiku-5-5"

// These run beside each other: each has users of its own, and none takes anything away from the others.
func TestBatches(t *testing.T) {
	w := stack(t)
	midnight := w.dayEnds(t, 55*time.Second)
	for name, test := range map[string]func(t *testing.T, w *world){
		"a batch is as many of everything as it has items":                     aBatchIsAsManyOfEverything,
		"a batch larger than the quota waits for the next day":                 func(t *testing.T, w *world) { aLargeBatchWaits(t, w, midnight) },
		"a cancelled batch finishes what runs and charges nothing of the rest": aCancelledBatch,
		"a batch whose time is over keeps what it has":                         anExpiredBatch,
		"only a batch that has ended can be deleted":                           aDeletedBatch,
		"a custom_id that comes twice leaves nothing behind":                   aDuplicateItem,
		"request 57,000 is broken, and nothing is kept":                        aBrokenRequest,
		"line 41,234 is broken, and the batch says so":                         aBrokenLine,
		"300 MB are refused":                                 tooLarge,
		"a client that goes leaves nothing behind":           aClientThatGoes,
		"the same key twice is the same batch":               theSameKey,
		"a batch that is started through Temporal":           throughTemporal,
		"a batch of a file that is started through Temporal": aFileThroughTemporal,
		"an open batch takes items until it is closed":       anOpenBatch,
		"an open batch can be cancelled":                     anOpenBatchCancelled,
		"without a good token there is no batch":             withoutAGoodToken,
		"a service starts batches for itself only":           aService,
		"a terminated workflow goes on within a minute":      aTerminatedWorkflow,
		"a backend that has too much to do is left alone":    aBusyBackend,
		"a small batch ends long before a large one":         fairShares,
		"items go through Anthropic's own batches":           func(t *testing.T, w *world) { nativeBatches(t, w, "nativeanthropic", "anthropic") },
		"items go through OpenAI's own batches":              func(t *testing.T, w *world) { nativeBatches(t, w, "nativeopenai", "openai") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, w)
		})
	}
}

func aBatchIsAsManyOfEverything(t *testing.T, w *world) {
	for dialect, submit := range map[string]func(*owner, []item) string{
		"anthropic": func(o *owner, items []item) string { return o.submit(t, "claude-opus-5-5", items) },
		"openai":    func(o *owner, items []item) string { return o.submitFile(t, lines("claude-opus-5-5", items)) },
	} {
		o := w.owner(t, "pro")
		all := append(items(20, "hello"), item{"wrong", "[x-mock: status=400]"}, item{"again", "[x-mock: status=500]"})
		b := o.ended(t, submit(o, all))
		o.provedAs(t, b, "completed", 20, 2)
		if b.Dialect != dialect || b.Usage.OutputTokens == 0 || b.Usage.Cost == 0 {
			t.Errorf("%+v", b)
		}
		if failures := len(b.Failures); failures == 0 {
			t.Errorf("no kinds of failures in %+v", b)
		}
		if got := o.results(t, b.ID)[0].text; !strings.Contains(got, "hello") {
			t.Errorf("the answer is not the mock's: %s", got)
		}
		for _, path := range []string{"/batches/", anthropicBatches + "/", openaiBatches + "/"} {
			w.owner(t, "pro").want(t, http.StatusNotFound, nil, http.MethodGet, path+b.ID, "")
		}
		var listed api.BatchList
		o.want(t, http.StatusOK, &listed, http.MethodGet, "/batches", "")
		if len(listed.Data) != 1 || listed.Data[0].ID != b.ID {
			t.Errorf("the list is %+v", listed)
		}
	}
}
