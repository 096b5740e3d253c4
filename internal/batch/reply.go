package batch

import (
	"net/http"
)

// reply is an answer kept in memory: what an item's client would have been given.
type reply struct {
	header http.Header
	status int // 0 until there is one
	body   []byte
}

func newReply() *reply { return &reply{header: http.Header{}} }

// Header implements exchange.Client.
func (r *reply) Header() http.Header { return r.header }

// Begin implements exchange.Client.
func (r *reply) Begin(status int) { r.status = status }

// Write implements exchange.Client.
func (r *reply) Write(p []byte) error {
	r.body = append(r.body, p...)
	return nil
}
