package redis_test

import (
	"fmt"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/redis/redistest"
)

func startCluster(t *testing.T) (*redistest.Cluster, store) {
	t.Helper()
	needServer(t)
	cluster := redistest.StartCluster(t, 3)
	return cluster, store{url: cluster.URL(), client: cluster.Client()}
}

func TestAllKeysOfASubjectAreOnOneNodeAndSubjectsOnAll(t *testing.T) {
	cluster, s := startCluster(t)
	q := s.open(t, newRecord())
	const subjects = 100
	for i := range subjects {
		a := ask(one)
		a.Subject, a.Limits.PerMinute, a.Limits.Concurrent = fmt.Sprintf("subject %d", i), 5, 5
		reserve(t, q, a)
	}
	slots := map[string]int{}
	for n, node := range cluster.Nodes {
		keys, err := node.Client().Keys(t.Context(), "*").Result()
		if err != nil || len(keys) == 0 {
			t.Errorf("node %d has %d keys, %v", n, len(keys), err)
		}
		for _, key := range keys {
			slots[fmt.Sprint(cluster.Slot(key))]++
		}
	}
	for slot, keys := range slots {
		if keys%3 != 0 { // a window, a minute and the places of each subject there
			t.Errorf("slot %s has %d keys", slot, keys)
		}
	}
	seen := map[string]int{}
	err := q.Windows(t.Context(), func(w gateway.OpenWindow) error {
		seen[w.Subject]++
		return nil
	})
	if err != nil || len(seen) != subjects {
		t.Errorf("windows of %d subjects were found, %v", len(seen), err)
	}
}

func TestASlotThatMovesLosesNothing(t *testing.T) {
	cluster, s := startCluster(t)
	source := newRecord()
	q, other := s.open(t, source), s.open(t, source)
	asks := make([]gateway.Ask, 4)
	for i := range asks {
		asks[i] = ask(one)
		asks[i].Limits.PerMinute, asks[i].Limits.Concurrent, asks[i].Limits.Requests = 9, 9, 4
	}
	before, during, after, over := asks[0], asks[1], asks[2], asks[3]
	reserve(t, q, before)
	source.stage(before)
	wantUsed(t, other, "ann", gateway.Used{Requests: 1, Tokens: 10}) // it knows who has the slot, too

	key := "quota:{ann}:minute"
	old := cluster.Owner(key)
	admitted := gateway.Used{Requests: 1, Tokens: 10}
	cluster.Move(key, (old+1)%3, func() {
		// Some keys are here and some there, so no script can run. That is said, and no wrong answer is given.
		if _, refusal, err := q.Reserve(t.Context(), during); err == nil || refusal != gateway.Admitted {
			t.Errorf("reserve = %q, %v", refusal, err)
		}
		if err := q.Settle(t.Context(), source.write(before.ID, one)); err == nil {
			t.Error("settled")
		}
	})

	settle(t, q, source.write(before.ID, gateway.Charge{}))
	wantUsed(t, q, "ann", admitted) // the ledger says 1 and 10
	for i, a := range []gateway.Ask{after, over} {
		for range 2 { // each frontend finds the new owner by itself
			a.ID = newID()
			use := reserve(t, []quota{q, other}[i], a)
			admitted.Requests, admitted.Tokens = admitted.Requests+1, admitted.Tokens+10
			if use.Day != admitted {
				t.Fatalf("use = %+v, want %+v", use.Day, admitted)
			}
			if admitted.Requests == 4 {
				break
			}
		}
	}
	if _, refusal, err := other.Reserve(t.Context(), over); err != nil || refusal != gateway.NoRequests {
		t.Errorf("over the limit: %q, %v", refusal, err)
	}
	if owner := cluster.Owner(key); owner == old {
		t.Error("the slot did not move")
	}
}
