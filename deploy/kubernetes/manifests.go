// Package manifests brings along what is applied to a cluster to install backout in it.
package manifests

import "embed"

// Files are the manifests: install.yaml reads and changes nothing, each rbac-KIND.yaml
// is what acting on that kind takes.
//
//go:embed *.yaml
var Files embed.FS
