package temporal

import (
	"time"

	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/primitives"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
)

// plugin is the driver that the schema tool and the server use.
const plugin = "postgres12_pgx"

// Connections per service: each of the four opens its own pools, out of the 300
// the database has.
const (
	defaultStoreConnections    = 20
	visibilityStoreConnections = 10
)

// serverConfig is the static configuration of the server.
func (s Settings) serverConfig() *config.Config {
	conf := &config.Config{
		Global: config.Global{
			Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: ports.Host},
			Metrics: &metrics.Config{Prometheus: &metrics.PrometheusConfig{
				Framework: "opentelemetry", ListenAddress: ports.Addr(s.MetricsPort),
			}},
		},
		Persistence: config.Persistence{
			DefaultStore:     "default",
			VisibilityStore:  "visibility",
			NumHistoryShards: s.Shards,
			DataStores: map[string]config.DataStore{
				"default":    {SQL: s.Postgres.store(s.Postgres.Database, defaultStoreConnections)},
				"visibility": {SQL: s.Postgres.store(s.Postgres.VisibilityDatabase, visibilityStoreConnections)},
			},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        "active",
			CurrentClusterName:       "active",
			ClusterInformation: map[string]cluster.ClusterInformation{
				"active": {Enabled: true, InitialFailoverVersion: 1, RPCAddress: ports.Addr(s.GRPCPort)},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		PublicClient:        config.PublicClient{HostPort: ports.Addr(s.GRPCPort)},
		Services:            map[string]config.Service{},
	}
	conf.Archival.History.State, conf.Archival.Visibility.State = "disabled", "disabled"
	conf.NamespaceDefaults.Archival.History.State = "disabled"
	conf.NamespaceDefaults.Archival.Visibility.State = "disabled"
	for name, port := range s.services() {
		conf.Services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: ports.Host}}
	}
	return conf
}

// store is the connection to one database.
func (p Postgres) store(database string, connections int) *config.SQL {
	return &config.SQL{
		PluginName:      plugin,
		ConnectProtocol: "tcp",
		ConnectAddr:     p.Addr,
		User:            p.User,
		Password:        p.Password,
		DatabaseName:    database,
		MaxConns:        connections,
		MaxIdleConns:    connections,
		MaxConnLifetime: time.Hour,
	}
}

// services maps the four services to their ports.
func (s Settings) services() map[primitives.ServiceName]int {
	return map[primitives.ServiceName]int{
		primitives.FrontendService: s.GRPCPort,
		primitives.HistoryService:  s.HistoryPort,
		primitives.MatchingService: s.MatchingPort,
		primitives.WorkerService:   s.WorkerPort,
	}
}

// hosts tells every service where the others are, in place of gossip.
func (s Settings) hosts() map[primitives.ServiceName]static.Hosts {
	hosts := map[primitives.ServiceName]static.Hosts{}
	for name, port := range s.services() {
		hosts[name] = static.SingleLocalHost(ports.Addr(port))
	}
	return hosts
}

// dynamicConfig lifts the limits meant for shared clusters: on one machine the
// processor is the limit, and a benchmark wants to reach it.
func dynamicConfig() dynamicconfig.StaticClient {
	client := dynamicconfig.StaticClient{}
	for key, value := range map[string]any{
		"frontend.namespaceRPS":           50_000,
		"frontend.rps":                    50_000,
		"frontend.persistenceMaxQPS":      100_000,
		"history.rps":                     100_000,
		"history.persistenceMaxQPS":       100_000,
		"matching.rps":                    100_000,
		"matching.persistenceMaxQPS":      100_000,
		"system.enableEagerWorkflowStart": true,
	} {
		client[dynamicconfig.MakeKey(key)] = value
	}
	return client
}
