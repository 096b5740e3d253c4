package redis_test

import (
	"context"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/redis"
)

const annsPlaces = "quota:{ann}:places"

func oneAtOnce() gateway.Ask {
	a := ask(one)
	a.Limits.Concurrent = 1
	return a
}

func TestAPlaceIsTakenUntilItIsGivenBackOrItsProcessIsDead(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		q, other := s.open(t, newRecord()), s.open(t, newRecord())
		first, second, third := oneAtOnce(), oneAtOnce(), oneAtOnce()
		reserve(t, q, first)
		if use, refusal, err := other.Reserve(t.Context(), second); err != nil || refusal != gateway.NoPlace || use.Running != 1 {
			t.Errorf("a second at once: %+v, %q, %v", use, refusal, err)
		}
		if err := q.Leave(t.Context(), first.ID); err != nil {
			t.Fatal(err)
		}
		reserve(t, other, second)

		third.At = third.At.Add(place - time.Minute)
		if _, refusal, err := q.Reserve(t.Context(), third); err != nil || refusal != gateway.NoPlace {
			t.Errorf("before it lapses: %q, %v", refusal, err)
		}
		third.At = third.At.Add(2 * time.Minute)
		reserve(t, q, third)
	})
}

func TestAProcessKeepsUpItsPlacesAndNoOthers(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		q, err := redis.Open(config.Redis{URL: s.url}, 30*time.Second, newRecord())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = q.Close() }()
		short, err := redis.Open(config.Redis{URL: s.url}, 300*time.Millisecond, newRecord())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = short.Close() }()
		kept, left, others := ask(one), ask(one), ask(one)
		kept.Limits.Concurrent, left.Limits.Concurrent, others.Limits.Concurrent = 9, 9, 9
		reserve(t, short, kept)
		reserve(t, short, left)
		reserve(t, q, others)
		until := func(a gateway.Ask) float64 { return s.client.ZScore(t.Context(), annsPlaces, a.ID.String()).Val() }
		before, foreign := until(kept), until(others)

		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { short.Keep(ctx); close(ended) }()
		if err := short.Leave(t.Context(), left.ID); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(30 * time.Second); until(kept) < before+1000; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it is not kept up")
			}
		}
		stop()
		<-ended
		if until(left) != 0 || until(others) != foreign {
			t.Errorf("one that was given back lapses at %v, another's at %v and before at %v", until(left), until(others), foreign)
		}
	})
}
