package redistest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// slots is how many a cluster divides its keys among.
const slots = 16384

// Cluster is some masters, with nobody to stand in for them.
type Cluster struct {
	Nodes []*Server

	tb      testing.TB
	clients []*redis.Client // of the nodes
	ids     []string        // of the nodes
}

// StartCluster starts a cluster of n masters.
func StartCluster(tb testing.TB, n int) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb}
	var buses []int
	for range n {
		bus, err := freePort(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		node := start(tb, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "5000")
		c.Nodes, c.clients, buses = append(c.Nodes, node), append(c.clients, node.Client()), append(buses, bus)
	}
	for i, client := range c.clients {
		c.must(i, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		c.must(i, "CLUSTER", "ADDSLOTSRANGE", i*slots/n, (i+1)*slots/n-1)
		id, err := client.Do(tb.Context(), "CLUSTER", "MYID").Text()
		if err != nil {
			tb.Fatal(err)
		}
		c.ids = append(c.ids, id)
	}
	for i, node := range c.Nodes[1:] {
		host, port, err := net.SplitHostPort(node.Addr)
		if err != nil {
			tb.Fatal(err)
		}
		c.must(0, "CLUSTER", "MEET", host, port, buses[i+1])
	}
	for _, client := range c.clients {
		if err := await(tb.Context(), "the cluster agrees", func(ctx context.Context) error { return agrees(ctx, client, n) }); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

// URL names all nodes, in the form the gateway is told.
func (c *Cluster) URL() string {
	others := url.Values{}
	for _, node := range c.Nodes[1:] {
		others.Add("addr", node.Addr)
	}
	return "redis://" + c.Nodes[0].Addr + "?" + others.Encode()
}

// Client connects to the cluster. It is closed with the test.
func (c *Cluster) Client() *redis.ClusterClient {
	options := &redis.ClusterOptions{MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}}
	for _, node := range c.Nodes {
		options.Addrs = append(options.Addrs, node.Addr)
	}
	client := redis.NewClusterClient(options)
	c.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Owner is which node has the slot of a key.
func (c *Cluster) Owner(key string) int {
	c.tb.Helper()
	slot := int64(c.Slot(key))
	shards, err := c.clients[0].ClusterShards(c.tb.Context()).Result()
	if err != nil {
		c.tb.Fatal(err)
	}
	for _, shard := range shards {
		for _, r := range shard.Slots {
			if r.Start <= slot && slot <= r.End {
				return slices.Index(c.ids, shard.Nodes[0].ID)
			}
		}
	}
	c.tb.Fatalf("nobody has slot %d", slot)
	return 0
}

// Slot is the slot of a key.
func (c *Cluster) Slot(key string) int {
	c.tb.Helper()
	slot, err := c.clients[0].ClusterKeySlot(c.tb.Context(), key).Result()
	if err != nil {
		c.tb.Fatal(err)
	}
	return int(slot)
}

// Move gives the slot of a key, with all keys that are in it, to another node. Between is called while keys are on
// their way: the first half of them is with the new owner, and asking the old one for those is answered with ASK.
func (c *Cluster) Move(key string, to int, between func()) {
	c.tb.Helper()
	from, slot := c.Owner(key), c.Slot(key)
	c.must(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", c.ids[from])
	c.must(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", c.ids[to])
	host, port, err := net.SplitHostPort(c.Nodes[to].Addr)
	if err != nil {
		c.tb.Fatal(err)
	}
	migrate := func(keys []string) {
		for _, k := range keys {
			c.must(from, "MIGRATE", host, port, k, 0, patience.Milliseconds())
		}
	}
	keys, err := c.clients[from].ClusterGetKeysInSlot(c.tb.Context(), slot, slots).Result()
	if err != nil {
		c.tb.Fatal(err)
	}
	migrate(keys[:(len(keys)+1)/2])
	between()
	if keys, err = c.clients[from].ClusterGetKeysInSlot(c.tb.Context(), slot, slots).Result(); err != nil {
		c.tb.Fatal(err)
	}
	migrate(keys)
	c.must(to, "CLUSTER", "SETSLOT", slot, "NODE", c.ids[to]) // first, so that somebody has it at any time
	for i := range c.Nodes {
		c.must(i, "CLUSTER", "SETSLOT", slot, "NODE", c.ids[to])
	}
}

func (c *Cluster) must(node int, command ...any) {
	c.tb.Helper()
	if err := c.clients[node].Do(c.tb.Context(), command...).Err(); err != nil {
		c.tb.Fatalf("%v at node %d: %v", command, node, err)
	}
}

// agrees reports whether a node sees n masters, and all slots served.
func agrees(ctx context.Context, node *redis.Client, n int) error {
	info, err := node.ClusterInfo(ctx).Result()
	if err != nil {
		return err
	}
	for _, line := range []string{"cluster_state:ok", fmt.Sprintf("cluster_known_nodes:%d", n), fmt.Sprintf("cluster_size:%d", n)} {
		if !strings.Contains(info, line+"\r\n") {
			return fmt.Errorf("%s is not so:\n%s", line, info)
		}
	}
	return nil
}
