#!/bin/sh
# build.sh DIR: builds kube-apiserver and etcd into a directory of the repository, such as bin/tools.
#
# They come as source from the Go module proxy, pinned in go.mod beside this file; what runs is what a release of
# Kubernetes runs. The first build compiles for some minutes.
set -eu

out=$1
cd "$(dirname "$0")/../../../.."
module=tests/charts/apiserver/tools
export CGO_ENABLED=0

tools/gobuild.sh $module "$out/etcd" -trimpath -ldflags '-s -w' go.etcd.io/etcd/server/v3

# The server tells its version to helm, which charts may ask for. Without these it has none.
version=$(cd $module && go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
of=k8s.io/component-base/version
tools/gobuild.sh $module "$out/kube-apiserver" -trimpath \
	-ldflags "-s -w -X $of.gitVersion=$version -X $of.gitMajor=1 -X $of.gitMinor=${minor%%.*}" k8s.io/kubernetes/cmd/kube-apiserver
