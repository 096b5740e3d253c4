package postgres_test

import (
	"fmt"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// One op is one row of n that are staged together; LLMGW_TEST_POSTGRES_FSYNC=1 makes commits durable.
func BenchmarkStage(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			s := start(b)
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				intents := make([]*gateway.Intent, min(n, b.N-i))
				for j := range intents {
					intents[j] = newIntent()
				}
				if err := s.frontend.Stage(b.Context(), intents, nil, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWriteLedger(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			s := start(b)
			for i := 0; i < b.N; i += n {
				b.StopTimer()
				ids := s.stageEnded(b, min(n, b.N-i))
				b.StartTimer()
				if _, err := s.worker.WriteLedger(b.Context(), ids); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
