// Package openai is the OpenAI dialect on the wire: its error envelope, the usage in its answers, and its event
// streams as they pass by.
package openai
