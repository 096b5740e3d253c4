package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
	"github.com/openova-io/llm-gateway/dev/internal/postgres"
	"github.com/openova-io/llm-gateway/dev/internal/supervise"
)

// Namespace is the Temporal namespace of the gateway; its worker creates it.
const Namespace = "llm-gateway"

// writeGatewayFiles writes the configuration of every process of the gateway.
func (s *Stack) writeGatewayFiles() error {
	overrides, err := parseOverrides(s.options.Set)
	if err != nil {
		return err
	}
	files, err := s.credentialFiles()
	if err != nil {
		return err
	}
	for i, p := range s.ports.frontends() {
		name := frontendName(i)
		if files[name+".yaml"], err = render(s.frontendConfig(i, p), "frontend", overrides); err != nil {
			return err
		}
	}
	if files["worker.yaml"], err = render(s.workerConfig(), "worker", overrides); err != nil {
		return err
	}
	migrate := migrateConfig{Database: urlConfig{URL: s.postgres.URL(postgres.Owner, postgres.GatewayDatabase)}}
	if files["migrate.yaml"], err = render(migrate, "migrate", nil); err != nil {
		return err
	}
	var errs []error
	for name, content := range files {
		errs = append(errs, s.dir.writeSecret(name, content))
	}
	return errors.Join(errs...)
}

func (s *Stack) frontendConfig(index int, p frontendPorts) frontendConfig {
	spool := "spool"
	if index > 0 {
		spool = "spool-" + frontendName(index) // a spool has one writer
	}
	return frontendConfig{
		HTTP: httpConfig{Listen: ports.Addr(p.http), MetricsListen: ports.Addr(p.metrics)},
		OIDC: s.oidcConfig(),
		Database: frontendDatabase{
			URL:        s.postgres.URL(postgres.Frontend, postgres.GatewayDatabase),
			AuditorURL: s.postgres.URL(postgres.Auditor, postgres.GatewayDatabase),
		},
		Redis:    urlConfig{URL: s.redisURL()},
		Audit:    auditConfig{Mode: s.options.AuditMode, SpoolDir: s.dir.file(spool)},
		Batch:    s.batchConfig(),
		Backends: s.backends(),
	}
}

func (s *Stack) workerConfig() workerConfig {
	return workerConfig{
		Temporal: temporalConfig{Address: ports.Addr(s.ports.Temporal), Namespace: Namespace, CreateNamespace: true},
		Database: urlConfig{URL: s.postgres.URL(postgres.Worker, postgres.GatewayDatabase)},
		Redis:    urlConfig{URL: s.redisURL()},
		HTTP:     httpConfig{MetricsListen: ports.Addr(s.ports.WorkerMetrics)},
		Batch:    s.batchConfig(),
		Backends: s.backends(),
	}
}

func (s *Stack) batchConfig() batchConfig {
	return batchConfig{SubmissionKeyFile: s.dir.file(submissionKeyFile)}
}

// frontendName is the name of a frontend: frontend, frontend-2, …
func frontendName(index int) string {
	if index == 0 {
		return "frontend"
	}
	return fmt.Sprintf("frontend-%d", index+1)
}

// gatewayEnv is the environment of the gateway's processes: ours, without
// anything meant for a client or for a real provider, which a mock must not see.
func (s *Stack) gatewayEnv() []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "ANTHROPIC_")
	})
	if s.options.AnthropicURL != "" && s.options.AnthropicToken != "" {
		env = append(env, "ANTHROPIC_OAUTH_TOKEN="+s.options.AnthropicToken)
	}
	return append(env, s.cloudEnv()...)
}

// migrate brings the schema of the gateway's database up to date.
func (s *Stack) migrate(ctx context.Context) error {
	return supervise.Once(ctx, s.host, supervise.Spec{
		Name: "worker migrate", Path: s.options.WorkerBinary,
		Args: []string{"migrate", "--config", s.dir.file("migrate.yaml")},
		Env:  s.gatewayEnv(), LogFile: s.dir.log("migrate"),
	})
}

// workerSpec describes the worker. It is ready once it shows its metrics.
func (s *Stack) workerSpec() supervise.Spec {
	address := ports.Addr(s.ports.WorkerMetrics)
	return supervise.Spec{
		Name: "worker", Path: s.options.WorkerBinary, Args: []string{"--config", s.dir.file("worker.yaml")},
		Env: s.gatewayEnv(), LogFile: s.dir.log("worker"), StopTimeout: s.options.Grace,
		Ready: func(ctx context.Context) error {
			var dialer net.Dialer
			connection, err := dialer.DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			return connection.Close()
		},
	}
}

// frontendSpec describes a frontend. It is ready once it says so.
func (s *Stack) frontendSpec(index int, p frontendPorts) supervise.Spec {
	name := frontendName(index)
	url := ports.URL(p.http) + "/ready"
	return supervise.Spec{
		Name: name, Path: s.options.FrontendBinary, Args: []string{"--config", s.dir.file(name + ".yaml")},
		Env: s.gatewayEnv(), LogFile: s.dir.log(name), StopTimeout: s.options.Grace,
		Ready: func(ctx context.Context) error { return getOK(ctx, url) },
	}
}

// getOK reports whether a URL answers 200.
func getOK(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// A kept connection would be to a process that may be gone by the next call.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}
