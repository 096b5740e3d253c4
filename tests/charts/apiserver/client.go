package apiserver

import (
	"context"
	"errors"
	"path"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// Client asks the API server, as its administrator.
type Client struct {
	discovery *discovery.DiscoveryClient
	dynamic   *dynamic.DynamicClient
	metadata  metadata.Interface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
}

func newClient(host, ca, token string) (*Client, error) {
	config := &rest.Config{
		Host: host, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAFile: ca},
		QPS:                       -1, // no limit
		WarningHandlerWithContext: warnings{},
	}
	var c Client
	var errs [3]error
	c.discovery, errs[0] = discovery.NewDiscoveryClientForConfig(config)
	c.dynamic, errs[1] = dynamic.NewForConfig(config)
	c.metadata, errs[2] = metadata.NewForConfig(config)
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.discovery))
	return &c, errors.Join(errs[:]...)
}

// Ready says whether the API server has started completely.
func (c *Client) Ready(ctx context.Context) error {
	return c.discovery.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// Apply has the server take an object as `kubectl apply --server-side --validate=strict` would: unknown and repeated
// fields are errors. The text is the object as it was written; a dry run leaves nothing behind. What the server takes
// but warns of comes back: deprecated fields, and pods that the namespace's pod security level would not let run.
func (c *Client) Apply(ctx context.Context, object *unstructured.Unstructured, text []byte, namespace string, dryRun bool) (said []string, err error) {
	in, err := c.resource(object.GroupVersionKind(), namespace)
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: "charts", FieldValidation: metav1.FieldValidationStrict, Force: new(true)}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	_, err = in.Patch(context.WithValue(ctx, saidKey{}, &said), object.GetName(), types.ApplyPatchType, text, options)
	return said, err
}

// Get reads the object of the same kind and name.
func (c *Client) Get(ctx context.Context, object *unstructured.Unstructured, namespace string) (*unstructured.Unstructured, error) {
	in, err := c.resource(object.GroupVersionKind(), namespace)
	if err != nil {
		return nil, err
	}
	return in.Get(ctx, object.GetName(), metav1.GetOptions{})
}

// Delete removes an object, and lets nothing wait for what it owns.
func (c *Client) Delete(ctx context.Context, id ID) error {
	in, err := c.resource(id.WithVersion(""), id.Namespace)
	if err != nil {
		return err
	}
	return in.Delete(ctx, id.Name, metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)})
}

// resource is where the objects of a kind are: those of the namespace, if the kind has namespaces.
func (c *Client) resource(kind schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) { // defined since the last look, perhaps
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return c.dynamic.Resource(mapping.Resource), nil
	}
	return c.dynamic.Resource(mapping.Resource).Namespace(namespace), nil
}

// ID names an object without its version.
type ID struct {
	schema.GroupKind
	Namespace, Name string
}

// String is for messages, as in "Secret ai/token".
func (id ID) String() string { return id.Kind + " " + path.Join(id.Namespace, id.Name) }

// Found is what tells that an object is the same as before, and that it was changed since.
type Found struct {
	UID        types.UID
	Generation int64 // grows with each change of what is wanted, of the kinds that count it
}

// Objects are all there is, of every kind, in a namespace, and wherever else a release of that namespace made something.
func (c *Client) Objects(ctx context.Context, namespace string) (map[ID]Found, error) {
	groups, err := c.discovery.ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	all := map[ID]Found{}
	for _, group := range groups {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range group.APIResources {
			// Events come and go by themselves, and component statuses ask a scheduler that is not here.
			if !slices.Contains(r.Verbs, "list") || r.Kind == "Event" || r.Kind == "ComponentStatus" {
				continue
			}
			list, err := c.metadata.Resource(version.WithResource(r.Name)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, err
			}
			for _, o := range list.Items {
				if o.Namespace == namespace || o.Annotations["meta.helm.sh/release-namespace"] == namespace {
					id := ID{GroupKind: schema.GroupKind{Group: version.Group, Kind: r.Kind}, Namespace: o.Namespace, Name: o.Name}
					all[id] = Found{UID: o.UID, Generation: o.Generation}
				}
			}
		}
	}
	return all, nil
}

// saidKey is the key of the list, in the context of a request, of what the server warned of in answer to it.
type saidKey struct{}

// warnings keeps the server's warnings for the requests that ask for them.
type warnings struct{}

func (warnings) HandleWarningHeaderWithContext(ctx context.Context, _ int, _, text string) {
	if said, ok := ctx.Value(saidKey{}).(*[]string); ok {
		*said = append(*said, text)
	}
}
