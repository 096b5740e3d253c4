// Package run holds the tests that run what the charts render: images, ConfigMaps, Secrets, environment, arguments and probes
// as they are in the manifests, against a real Postgres with TLS, Redis, Temporal server and identity provider. What the
// operators of a cluster would add, CloudNativePG and External Secrets, the tests do in their place.
package run
