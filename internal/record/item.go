package record

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// The life of an item. A waiter and a writer may want to move it at the same moment; whoever swaps first decides.
const (
	queued    int32 = iota
	taken           // a writer has it: it may be committed from now on
	settled         // the writer told the waiter the result
	withdrawn       // the waiter left before a writer took it: it will not be committed
	left            // the waiter left while a writer had it
)

// item is one record on its way. Exactly one of intent, attempt and outcome is set.
type item struct {
	intent  *gateway.Intent
	attempt *gateway.Attempt
	outcome *gateway.Outcome
	state   atomic.Int32
	done    chan error // has room for the one result
}

// take claims the item for a writer; false if its waiter has withdrawn it.
func (it *item) take() bool { return it.state.CompareAndSwap(queued, taken) }

// settle tells the waiter the result; false if the waiter has left.
func (it *item) settle(err error) bool {
	if !it.state.CompareAndSwap(taken, settled) {
		return false
	}
	it.done <- err
	return true
}

// abandon is the waiter leaving. It returns the result if there is one after all.
func (it *item) abandon() error {
	if it.state.CompareAndSwap(queued, withdrawn) {
		return errors.New("no commit in time")
	}
	if it.state.CompareAndSwap(taken, left) {
		return fmt.Errorf("no answer to the commit in time: %w", gateway.ErrFateUnknown)
	}
	return <-it.done
}
