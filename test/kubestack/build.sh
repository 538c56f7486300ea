#!/usr/bin/env bash
# Builds Kubernetes for the tests once per set of inputs, and prints the folder it is in:
#   kubestack (with etcd, kube-apiserver, kube-controller-manager and kube-scheduler as
#   links to it) and kwok.
# The folder is ${KUBESTACK_CACHE:-~/.cache/backout/kubestack}/<hash of what goes in>; if
# it is there nothing is done. `build.sh --where` prints it and builds nothing.
# From empty caches it takes about 15 minutes of CPU and 4 GB of Go's build cache.
set -euo pipefail
cd "$(dirname "$0")"
cache=${KUBESTACK_CACHE:-$HOME/.cache/backout/kubestack}
key=$({ cat go.sum main.go; go env GOVERSION; } | sha256sum | cut -c1-64)
to=$cache/$key
if [ "${1:-}" = --where ] || [ -x "$to/kwok" ]; then echo "$to"; exit 0; fi

mkdir -p "$cache"
# Two builds at a time would take twice as long for the same thing. Where there is no
# flock they may: what is renamed below is whole either way.
if command -v flock >/dev/null; then
  exec 9>"$cache/lock"
  flock -n 9 || { echo "kubestack: somebody else builds it, waiting" >&2; flock 9; }
  if [ -x "$to/kwok" ]; then echo "$to"; exit 0; fi
fi

temp=$(mktemp -d "$cache/building.XXXXXX")
began=$(date +%s)
# It must not hold the lock when this script is killed.
(while sleep 60; do echo "kubestack: building for $((($(date +%s) - began) / 60)) min" >&2; done) 9>&- >/dev/null &
clock=$!
trap 'kill "$clock" 2>/dev/null || true; rm -rf "$temp"' EXIT

export CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -mod=readonly"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.} minor=${minor%%.*}
v=k8s.io/component-base/version
# Without these /version has nothing in it, and clients that compare versions complain.
names="-X $v.gitVersion=$version -X $v.gitMajor=1 -X $v.gitMinor=$minor -X $v.gitTreeState=clean"
names+=" -X $v.gitCommit=0000000000000000000000000000000000000000 -X $v.buildDate=1970-01-01T00:00:00Z"
echo "kubestack: building Kubernetes $version, once per version of it and of Go" >&2
go build -trimpath -ldflags "-s -w $names" -o "$temp/kubestack" .
go build -trimpath -ldflags "-s -w" -o "$temp/kwok" sigs.k8s.io/kwok/cmd/kwok
for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do ln -s kubestack "$temp/$name"; done
rm -rf "$to"
mv "$temp" "$to"
echo "kubestack: built in $((($(date +%s) - began) / 60)) min" >&2
echo "$to"
