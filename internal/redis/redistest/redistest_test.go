package redistest_test

import (
	"fmt"
	"testing"

	"github.com/openova-io/llm-gateway/internal/redis/redistest"
)

func TestAServerIsStoppedAndStartedAgainEmpty(t *testing.T) {
	if redistest.Path() == "" {
		t.Skip("there is no redis-server: make bin/tools/redis-server")
	}
	s := redistest.Start(t)
	if err := s.Client().Set(t.Context(), "a", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if err := s.Client().Ping(t.Context()).Err(); err == nil {
		t.Fatal("it answers though it was stopped")
	}
	s.Restart()
	if n, err := s.Client().DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Fatalf("it has %d keys, %v", n, err)
	}
}

func TestASlotMovesWithItsKeys(t *testing.T) {
	if redistest.Path() == "" {
		t.Skip("there is no redis-server: make bin/tools/redis-server")
	}
	c := redistest.StartCluster(t, 3)
	client := c.Client()
	for i := range 10 {
		if err := client.Set(t.Context(), fmt.Sprintf("{a}%d", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	old := c.Owner("{a}")
	c.Move("{a}", (old+1)%3, func() {
		asked, err := c.Nodes[old].Client().DBSize(t.Context()).Result()
		if err != nil || asked != 5 {
			t.Errorf("the old owner has %d keys, %v", asked, err)
		}
	})
	if owner := c.Owner("{a}"); owner != (old+1)%3 {
		t.Errorf("node %d has the slot", owner)
	}
	for i := range 10 {
		if got, err := client.Get(t.Context(), fmt.Sprintf("{a}%d", i)).Int(); err != nil || got != i {
			t.Errorf("key %d is %d, %v", i, got, err)
		}
	}
}
