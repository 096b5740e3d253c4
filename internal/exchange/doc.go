// Package exchange is one request and its answer, from admission to the last byte. It keeps the two promises about
// order that everything else rests on:
//
//   - no byte goes to a backend before the request is on record, and
//   - no client is given the end of an answer before its outcome is on record.
//
// The steps are plan, reserve, record, send, relay, record; see [Service.Serve]. Sending is repeated, at the next
// target, while the client has been given nothing; each repetition is on record before it leaves. The package does
// not know what kind of server it is called from: a [Client] is where the answer goes.
package exchange
