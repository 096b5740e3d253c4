package model

import (
	"net/http"
	"regexp"
	"sync"
	"time"
)

// batchLife is how long a batch may take.
const batchLife = 24 * time.Hour

// item says which item of a batch a request is; the zero value is that of one
// that came alone.
type item struct {
	batch    string
	customID string
	fails    bool // a switch wants it
}

// batchItem is a request that waits in a batch.
type batchItem struct {
	customID string
	path     string
	body     []byte
}

// itemEnd is what becomes of an item.
type itemEnd int

const (
	itemSucceeded itemEnd = iota
	itemErrored
	itemCanceled
	itemExpired
	itemEnds // how many there are
)

// batch is a list of requests that was handed in as a whole.
type batch struct {
	id       string
	wire     batchWire
	header   http.Header // of the request that made it; each item has it
	switches Switches
	created  time.Time
	total    int           // items
	stop     chan struct{} // closed when it is cancelled
	order    openaiOrder   // what only the OpenAI dialect asks for

	mu       sync.Mutex // for what follows
	started  time.Time
	canceled time.Time
	ended    time.Time
	counts   [itemEnds]int
	output   []byte // JSON lines of results, in the order in which the items ended
	errors   []byte // those of items that did not succeed, if the dialect keeps them apart
	files    [2]string
}

// batchWire is how a dialect tells the results of a batch.
type batchWire interface {
	// line is the result of an item, and whether it belongs with the errors; nil
	// if such an item has no result. The answer of one that was not run is zero.
	line(customID string, end itemEnd, a itemAnswer) (line []byte, apart bool)
	// finish is called when all items have ended.
	finish(m *Model, b *batch)
}

// newBatch makes a batch of the items that a request hands in.
func (m *Model) newBatch(x *exchange, prefix string, wire batchWire, total int) *batch {
	header := x.r.Header.Clone()
	header.Del("x-mock") // it was meant for the batch
	return &batch{
		id: prefix + m.batches.number(x), wire: wire, header: header, switches: x.switches,
		created: time.Now(), total: total, stop: make(chan struct{}),
	}
}

// run runs the items of a batch one after the other, in another order than they
// came in: nobody may rely on that.
func (m *Model) run(b *batch, items []batchItem) {
	b.wait(b.switches.BatchDelay)
	if len(items) > 0 {
		b.mu.Lock()
		b.started = time.Now()
		b.mu.Unlock()
	}
	var held []string
	for _, i := range shuffled(len(items)) {
		id := items[i].customID
		switch {
		case b.stopped():
			b.end(id, itemCanceled, itemAnswer{})
		case matches(b.switches.BatchHold, id):
			held = append(held, id)
		case matches(b.switches.BatchExpire, id):
			b.end(id, itemExpired, itemAnswer{})
		default:
			m.runItem(b, items[i])
		}
		items[i].body = nil
	}
	if len(held) > 0 {
		<-b.stop
	}
	for _, id := range held {
		b.end(id, itemCanceled, itemAnswer{})
	}
	b.wire.finish(m, b)
	b.mu.Lock()
	b.ended = time.Now()
	b.mu.Unlock()
}

// runItem answers an item as if it had come alone.
func (m *Model) runItem(b *batch, it batchItem) {
	a := m.answerItem(b, it)
	end := itemSucceeded
	if a.status != http.StatusOK {
		end = itemErrored
	}
	b.end(it.customID, end, a)
}

// end notes the end of an item.
func (b *batch) end(customID string, end itemEnd, a itemAnswer) {
	line, apart := b.wire.line(customID, end, a)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts[end]++
	target := &b.output
	if apart {
		target = &b.errors
	}
	if line != nil {
		*target = append(append(*target, line...), '\n')
	}
}

// cancel stops a batch; false if it has ended.
func (b *batch) cancel() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended.IsZero() && b.canceled.IsZero() {
		b.canceled = time.Now()
		close(b.stop)
	}
	return b.ended.IsZero()
}

func (b *batch) stopped() bool {
	select {
	case <-b.stop:
		return true
	default:
		return false
	}
}

// wait waits, unless the batch is cancelled.
func (b *batch) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.stop:
	}
}

func matches(pattern *regexp.Regexp, text string) bool {
	return pattern != nil && pattern.MatchString(text)
}
