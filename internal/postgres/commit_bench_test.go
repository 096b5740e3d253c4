package postgres_test

import (
	"bytes"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// One op is one item: its intent and its ending, each committed together with those of 31 others, with bodies of 2 KB.
// LLMGW_TEST_POSTGRES_FSYNC=1 makes commits durable.
func BenchmarkCommit(b *testing.B) {
	const group = 32
	s := start(b)
	batch := s.run(b, b.N)
	body := bodyOf(string(bytes.Repeat([]byte{'x'}, 2000)))
	b.ReportAllocs()
	b.ResetTimer()
	for from := 0; from < b.N; from += group {
		n := min(group, b.N-from)
		intents, endings := make([]*gateway.Intent, n), make([]*gateway.Ending, n)
		for i := range n {
			in := newIntent()
			in.Item, in.Body = gateway.ItemRef{Batch: batch.ID, N: from + i}, body
			intents[i], endings[i] = in, newEnding(in)
			endings[i].Outcome.Body, endings[i].Result.Line = body, body
		}
		s.commit(b, intents, nil)
		if got := s.commit(b, nil, nil, endings...); len(got) != n {
			b.Fatalf("%d of %d were settled", len(got), n)
		}
	}
}
