package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// BatchState is how far a batch has come.
type BatchState string

// The states of a batch, in their order.
const (
	BatchUploading  BatchState = "uploading"  // its items are being received; its owner is not shown it yet
	BatchValidating BatchState = "validating" // accepted; its workflow has not begun, or reads its input file
	BatchRunning    BatchState = "running"    // its items run or wait for their turn
	BatchClosing    BatchState = "closing"    // no more items are started
	BatchEnded      BatchState = "ended"      // each item has its result, and that will not change
)

// BatchEnd is how a batch ended.
type BatchEnd string

// The ends of a batch.
const (
	BatchCompleted BatchEnd = "completed" // every item ran
	BatchRefused   BatchEnd = "refused"   // its input cannot be used; no item ran
	BatchCanceled  BatchEnd = "canceled"  // its owner stopped it; what ran has its results
	BatchExpired   BatchEnd = "expired"   // its time was over; what ran has its results
)

// Batch is many requests of one caller to one endpoint, the items, each of which runs as a request of its own.
type Batch struct {
	ID             uuid.UUID // UUIDv7
	WorkflowID     string
	Principal      Principal
	Endpoint       Endpoint // of every item
	State          BatchState
	End            BatchEnd          // "" until it has ended
	Open           bool              // items may still be added
	InputFile      uuid.UUID         // that its items are read from; zero if they came with the request
	Header         map[string]string // the client's headers that go with each item, such as anthropic-beta
	Metadata       map[string]string // the caller's own
	IdempotencyKey string            // "" if the caller named none
	InputDigest    []byte            // SHA-256 of what the caller sent, to tell a repetition from another use of its key
	Total          int               // items
	Counts         ItemCounts        // of the items that have ended
	Wait           Wait              // what it waits for; zero if for nothing
	InputErrors    []InputError      // why its input was refused
	Usage          Usage             // of all items, once it has ended
	Cost           Cost              // the same
	OutputFile     uuid.UUID         // the results of items that succeeded, in a file; zero if there are none
	ErrorFile      uuid.UUID         // the same of all other items

	CreatedAt         time.Time
	StartedAt         time.Time // when its items began to run; this and those below are zero until it is so
	ExpiresAt         time.Time // never zero
	CancelRequestedAt time.Time
	ClosingAt         time.Time
	EndedAt           time.Time
	ArchivedAt        time.Time // when its results were deleted because they were old
}

// ItemCounts are how many items of a batch ended in which way.
type ItemCounts struct {
	Succeeded int
	Errored   int
	Canceled  int
	Expired   int
}

// Sum is how many items have ended.
func (c ItemCounts) Sum() int { return c.Succeeded + c.Errored + c.Canceled + c.Expired }

// Plus is the sum of two counts.
func (c ItemCounts) Plus(d ItemCounts) ItemCounts {
	return ItemCounts{c.Succeeded + d.Succeeded, c.Errored + d.Errored, c.Canceled + d.Canceled, c.Expired + d.Expired}
}

// WaitReason says what a batch waits for.
type WaitReason string

// What a batch may wait for.
const (
	WaitQuota   WaitReason = "quota"   // its owner's next window
	WaitBackend WaitReason = "backend" // a backend that has too much to do, or is away
	WaitNative  WaitReason = "native"  // a batch of the backend's own, to which items were handed
	WaitItems   WaitReason = "items"   // it is open, and all items so far have ended
)

// Wait is what a batch waits for, and until when at most.
type Wait struct {
	Reason WaitReason
	Until  time.Time
}

// InputError is a mistake in the input of a batch.
type InputError struct {
	Code    string // in a word: "invalid_json_line"
	Message string // for people
	Param   string // the field; "" if it is none
	Line    int    // of the input file, from 1; 0 if it is none
}

// Item is one request of a batch.
type Item struct {
	Batch    uuid.UUID
	N        int    // its place, from 0
	CustomID string // the caller's name for it, unique in the batch
	Body     Body   // the request body
}

// ItemRef says which item of a batch a request is; the zero value is that of a request that is none.
type ItemRef struct {
	Batch uuid.UUID
	N     int
}

// Begun is what is on record of an item that was admitted and has not ended: a process died, or gave up, while it ran.
// It goes on as the same request.
type Begun struct {
	ID     uuid.UUID // of the request
	At     time.Time // when it was admitted
	Sent   int       // attempts on record
	Status int       // what the last of them was answered; 0 if that is not known
	Reason string    // why it is sent again
}

// WaitingItem is an item that has not ended.
type WaitingItem struct {
	Item
	Begun *Begun // nil if it never was admitted
}

// ItemState is how an item ended.
type ItemState string

// The ends of an item.
const (
	ItemSucceeded ItemState = "succeeded"
	ItemErrored   ItemState = "errored"
	ItemCanceled  ItemState = "canceled" // its batch was, before the item was sent
	ItemExpired   ItemState = "expired"  // the same
)

// ItemResult is what an item's owner is given.
type ItemResult struct {
	ItemRef
	CustomID string
	State    ItemState
	Kind     string // of the failure, in a word: "rate_limit_error"; "" if there was none
	Line     Body   // the line of the results file, without its newline
}

// Ending is the end of an item: its result, and the outcome of its request.
type Ending struct {
	Result  ItemResult
	Outcome *Outcome // nil if the item was never admitted
}

// Chunk is a part of a batch that is worked on as a whole: the items from From on, before To.
type Chunk struct {
	Batch uuid.UUID
	From  int
	To    int
}

// ChunkResult is how far the work on a chunk came.
type ChunkResult struct {
	Counts ItemCounts // of items that ended in this piece of work
	Left   int        // items that have not ended
	Next   int        // the first of them; To if there are none
	Wait   Wait       // what those wait for; zero: nothing, the time for a piece of work was over
}

// NativeBatch is a batch of a backend's own, to which items were handed.
type NativeBatch struct {
	ID        uuid.UUID
	Batch     uuid.UUID // whose items it has
	Target    Target
	Endpoint  Endpoint    // at the backend
	NativeID  string      // the backend's name of it
	Requests  []uuid.UUID // of its items, which go by these names there
	Items     []int       // their places in the batch, in the same order, ascending
	CreatedAt time.Time
}

// File is what a caller uploaded to make a batch of, or the results of one.
type File struct {
	ID        uuid.UUID // UUIDv7
	Subject   string
	Name      string
	Purpose   string    // "batch", "batch_output"
	Size      int64     // bytes
	Batch     uuid.UUID // whose results it is; zero for an upload
	CreatedAt time.Time
	ExpiresAt time.Time // zero if it does not
}

// Page is a part of a list that is sorted by id, which is by age: the newest come first unless it is Ascending. The
// zero UUID sets no bound.
type Page struct {
	Limit     int
	After     uuid.UUID // only what the list has after this one
	Before    uuid.UUID // only what the list has before this one, and the last Limit of that
	Ascending bool
}

// Part is a choice of a batch's results.
type Part string

// The parts of a batch's results.
const (
	AllResults Part = "all"
	OutputPart Part = "output" // of items that succeeded
	ErrorPart  Part = "errors" // of all others
)

// The purposes of files.
const (
	FileForBatch = "batch"
	FileOfBatch  = "batch_output"
)

// ErrNotFound is in the chain of an error about something that is not there, or is another's.
var ErrNotFound = errors.New("not found")

// ErrKeyUsed is in the chain of an error about an idempotency key that its owner has used before.
var ErrKeyUsed = errors.New("the idempotency key has been used")

// ErrItemTaken is in the chain of the error about an intent that would be an item's second: the item has an open request,
// or its result, or its batch starts no more. Whoever is told so must not send it, nor say how it ended.
var ErrItemTaken = errors.New("the item is another's, or it is over")

// DuplicateItem is an item with the name of another one of its batch.
type DuplicateItem struct {
	N        int
	CustomID string
}

func (d *DuplicateItem) Error() string {
	return fmt.Sprintf("item %d: the custom_id %q is another item's", d.N, d.CustomID)
}
