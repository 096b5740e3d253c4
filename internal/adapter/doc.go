// Package adapter is a small service that lets clients of the OpenAI API use a backend that speaks the Anthropic API,
// and the other way round. It keeps no state, records nothing and counts against no quota: that is the gateway's work,
// which it stands behind.
//
// A request in the backend's own dialect passes byte for byte, but for the model's name. One in the other dialect is
// translated as it passes, streams included: each read from the backend is one write to the client.
package adapter
