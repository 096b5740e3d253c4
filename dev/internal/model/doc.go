// Package model is a mock of model providers that speak on the wire as the real
// services do: Anthropic Messages, OpenAI Chat Completions and Responses, and
// Claude and Gemini at Amazon Bedrock and Google Vertex AI, with their framing,
// their credentials, their errors and what they refuse.
//
// It is deterministic: the same request gets the same bytes. What it answers is
// steered by the prompt:
//
//   - by default it says which model it is and repeats what the user said;
//   - "use the NAME tool with {json}" or "use tool NAME" makes it call a tool
//     the request offers, and the tool's result is quoted in the next turn;
//     "… and the NAME tool with {json}" makes it call more in the same answer;
//   - a request that insists on a tool gets a call with arguments of its schema;
//   - "refuse to answer" makes it decline, and a stop sequence ends the text;
//   - a request for a JSON schema gets JSON of that schema;
//   - a request with thinking gets a thinking block with a signature, one with
//     a reasoning effort gets its reasoning.
//
// How it answers (slowly, broken off, with an error …) is steered by
// [Switches]: for all requests with PUT /mock/faults, or for one request with
// query parameters, the header x-mock, or "[x-mock: …]" in the last user message.
// The later ones in this list win.
//
// It has the batch APIs of Anthropic and OpenAI, files included. Each item is
// answered by what answers single requests, and is on record like one, under the
// path it would have had. Items are run in another order than they came in; the
// switches batch_… say when, and what becomes of which. An item that was not run
// because its batch was cancelled has a result in the Anthropic dialect, and none
// in OpenAI's.
//
// What it was asked is on record: GET /mock/stats and GET /mock/requests, and how
// often each item of a batch arrived: GET /mock/items.
//
// It is also the backend of benchmarks, so a request without switches costs
// little more than reading its body and writing its answer.
package model
