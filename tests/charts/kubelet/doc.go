// Package kubelet runs pods without a cluster, as far as a pod of the charts can tell the difference.
//
// A container is the unpacked image in a chroot, as the user and the groups of its security context, with nothing of this
// machine's environment. ConfigMaps, Secrets and emptyDirs are where they are mounted, with the owners and modes that the
// kubelet gives them. Each pod has a network of its own, in which it listens on the ports it likes, and in which there is
// nothing but the Services that the test has named: "valkey:6379" is a forwarder to wherever Redis is. The forwarder listens in
// the pod's network, so a Service cannot have a port that the pod itself listens on.
//
// Capabilities, seccomp, limits of CPU and memory, and the pods' own tokens are not there; probes are asked as rendered.
// It needs Linux and root.
package kubelet
