//go:build linux

package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// WaitReady waits until the container has started and is ready, by its probes.
func (p *Pod) WaitReady(t testing.TB) {
	t.Helper()
	if p.container.StartupProbe != nil {
		p.wait(t, p.container.StartupProbe)
	}
	p.wait(t, p.container.ReadinessProbe)
}

// Live asks the liveness probe.
func (p *Pod) Live(ctx context.Context) error { return p.ask(ctx, p.container.LivenessProbe) }

// Ready asks the readiness probe.
func (p *Pod) Ready(ctx context.Context) error { return p.ask(ctx, p.container.ReadinessProbe) }

// wait asks a probe until it succeeds. It asks more often than a kubelet does, and gives up after a minute.
func (p *Pod) wait(t testing.TB, probe *corev1.Probe) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		err := p.ask(ctx, probe)
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("%s ended: %v", p.container.Name, p.err)
		case <-ctx.Done():
			t.Fatalf("%s: %v", p.container.Name, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ask asks a probe once; the error is what it answered.
func (p *Pod) ask(ctx context.Context, probe *corev1.Probe) error {
	if probe == nil || probe.HTTPGet == nil {
		return errors.New("the container lacks a probe by HTTP")
	}
	port, err := p.port(probe.HTTPGet.Port)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(probe.TimeoutSeconds, 1))*time.Second)
	defer cancel()
	url := fmt.Sprintf("http://pod:%d%s", port, probe.HTTPGet.Path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := p.Client().Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 399 {
		text, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s: %s: %s", url, res.Status, text)
	}
	return nil
}

// port is a port of the container, by its name or number.
func (p *Pod) port(of intstr.IntOrString) (int32, error) {
	for _, port := range p.container.Ports {
		if of.Type == intstr.String && port.Name == of.StrVal || of.Type == intstr.Int && port.ContainerPort == of.IntVal {
			return port.ContainerPort, nil
		}
	}
	return 0, fmt.Errorf("the container has no port %s", of.String())
}
