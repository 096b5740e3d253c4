// Package batch runs the items of batches. Each is an exchange like any client's: planned, reserved, put on record, sent.
// Three things are different:
//
//   - An item waits its turn, so that batches share a worker fairly and leave a backend alone that has too much to do.
//   - Its result, its outcome and its line of the ledger are committed in one transaction, and its intent is removed in
//     the same. An item with an open intent is one that was sent and whose end nobody knows: it is sent again as the same
//     request, as one more attempt on record.
//   - An item that a backend has no room for has not failed. It is tried again in the same way.
package batch
