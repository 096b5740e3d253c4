package model

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"

	"github.com/tidwall/gjson"
)

const (
	defaultDimensions = 64
	maxDimensions     = 4096
)

// embeddings answers POST /v1/embeddings with vectors that only depend on the input.
func (m *Model) embeddings(x *exchange) error {
	input := x.fields["input"]
	if !input.Exists() || !x.fields["model"].Exists() {
		return x.refuse(http.StatusBadRequest, "Missing required parameter: 'input' or 'model'.")
	}
	dimensions := defaultDimensions
	if wanted := x.fields["dimensions"]; wanted.Exists() {
		dimensions = int(wanted.Int())
	}
	if dimensions < 1 || dimensions > maxDimensions {
		return x.refuse(http.StatusBadRequest, "'dimensions' must be between 1 and 4096.")
	}
	inputs := []gjson.Result{input}
	if input.IsArray() && input.Get("0").Type != gjson.Number { // an array of numbers is one tokenised text
		inputs = input.Array()
	}
	asBase64 := x.fields["encoding_format"].Str == "base64"
	data := []any{}
	for i, one := range inputs {
		var embedding any = vector(one.Raw, dimensions)
		if asBase64 {
			embedding = packed(vector(one.Raw, dimensions))
		}
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": embedding})
	}
	tokens := estimateTokens([]byte(input.Raw))
	x.note(http.StatusOK, usage{input: tokens})
	return x.writeJSON(marshal(map[string]any{
		"object": "list", "data": data, "model": x.fields["model"].Str,
		"usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens},
	}))
}

// vector is a unit vector made of hashes of a text.
func vector(text string, dimensions int) []float32 {
	values := make([]float32, dimensions)
	sum := sha256.Sum256([]byte(text))
	var length float64
	for i := range values {
		if i > 0 && i%len(sum) == 0 {
			sum = sha256.Sum256(sum[:])
		}
		values[i] = float32(sum[i%len(sum)])/127.5 - 1
		length += float64(values[i]) * float64(values[i])
	}
	for i := range values {
		values[i] /= float32(math.Sqrt(length))
	}
	return values
}

// packed is the base64 form of a vector: little-endian 32-bit floats.
func packed(values []float32) string {
	raw := make([]byte, 0, 4*len(values))
	for _, value := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(value))
	}
	return base64.StdEncoding.EncodeToString(raw)
}
