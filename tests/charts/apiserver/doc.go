// Package apiserver runs a real kube-apiserver and etcd for the tests of the charts: two processes on loopback ports
// that the kernel chooses, with keys and tokens made for the one run, and their data in a temporary directory.
//
// What such a server says no to, no check of rendered text sees: a selector that does not match its pods, a field that
// may not change in an upgrade, an object that another release owns. There is nothing else of a cluster: no controllers,
// no nodes. A Deployment is accepted and never becomes a pod, and a Job never completes.
package apiserver
