// Package sse is the framing of event streams: cutting them into events as they arrive, and watching them pass.
//
// Lines end with LF or CRLF. A lone CR, which the standard allows and no service sends, is not taken for an end.
package sse
