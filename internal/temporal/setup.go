package temporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/openova-io/llm-gateway/internal/config"
)

const (
	setupTimeout = 10 * time.Second // for one step
	setupPause   = time.Second      // between tries
	tellFirst    = 2                // tries, about as long as a new namespace takes to be known
	tellEvery    = 30               // tries
)

// Needs is what the workflows need of a namespace.
type Needs struct {
	Keywords  []string // search attributes of the type Keyword
	Schedules []Schedule
}

// Setup makes the namespace fit, and tries until it succeeds or ctx ends: Temporal may be away, and what it was told
// reaches all its parts only after some seconds. Any number of processes may do it, any number of times.
func Setup(ctx context.Context, c client.Client, cfg config.Temporal, needs Needs, log *slog.Logger) error {
	s := setup{client: c, cfg: cfg, needs: needs}
	for try := 0; ; try++ {
		err := s.once(ctx)
		if err == nil {
			log.Info("Temporal is ready", "address", cfg.Address, "namespace", cfg.Namespace)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if try%tellEvery == tellFirst {
			log.Warn("Temporal is not ready; trying on", "address", cfg.Address, "namespace", cfg.Namespace, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(setupPause):
		}
	}
}

type setup struct {
	client client.Client
	cfg    config.Temporal
	needs  Needs
}

func (s setup) once(ctx context.Context) error {
	for _, step := range []func(context.Context) error{s.namespace, s.attributes, s.usable, s.schedules} {
		bounded, cancel := context.WithTimeout(ctx, setupTimeout)
		err := step(bounded)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// namespace makes the namespace if it is missing and ours to make.
func (s setup) namespace(ctx context.Context) error {
	_, err := s.client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.cfg.Namespace})
	if _, missing := errors.AsType[*serviceerror.NamespaceNotFound](err); !missing {
		return wrap("describe the namespace", err)
	}
	if !s.cfg.CreateNamespace {
		return fmt.Errorf("temporal: there is no namespace %q; create it, or set temporal.create_namespace", s.cfg.Namespace)
	}
	_, err = s.client.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: s.cfg.Namespace, Description: "LLM gateway",
		WorkflowExecutionRetentionPeriod: durationpb.New(s.cfg.Retention),
	})
	if _, exists := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); exists {
		return nil // another worker was faster
	}
	return wrap("create the namespace", err)
}

// attributes registers the search attributes that are missing.
func (s setup) attributes(ctx context.Context) error {
	known, err := s.client.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: s.cfg.Namespace})
	if err != nil {
		return wrap("list the search attributes", err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for _, name := range s.needs.Keywords {
		switch t, ok := known.GetCustomAttributes()[name]; {
		case !ok:
			missing[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		case t != enumspb.INDEXED_VALUE_TYPE_KEYWORD:
			return fmt.Errorf("temporal: the search attribute %s has the type %s; it must be a Keyword", name, t)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = s.client.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: s.cfg.Namespace, SearchAttributes: missing,
	})
	if _, exists := errors.AsType[*serviceerror.AlreadyExists](err); exists {
		return nil
	}
	return wrap("register the search attributes", err)
}

// usable finds out whether the frontend of the cluster has heard of the namespace and the search attributes: it
// keeps both in caches.
func (s setup) usable(ctx context.Context) error {
	for _, name := range s.needs.Keywords {
		_, err := s.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: s.cfg.Namespace, Query: name + " = 'none'"})
		if err != nil {
			return wrap("use the search attribute "+name, err)
		}
	}
	return nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("temporal: %s: %w", what, err)
}
