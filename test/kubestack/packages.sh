#!/usr/bin/env bash
# The packages with tests that need Kubernetes: those with a file for the tag.
set -euo pipefail
cd "$(dirname "$0")/../.."
grep -rl --include='*_test.go' '^//go:build kubernetes' . | xargs -r -n1 dirname | sort -u
