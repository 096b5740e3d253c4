package gateway

import "errors"

// ErrItemTaken is in the chain of the error about an intent that would be an item's second: the item has an open request,
// or its result, or its batch starts no more. Whoever is told so must not send it, nor say how it ended.
var ErrItemTaken = errors.New("the item is another's, or it is over")
