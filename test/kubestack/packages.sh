#!/usr/bin/env bash
# The packages with tests that need Kubernetes: those with a file for the tag. With
# --tests a pattern of these tests' names, since other tests of the packages run elsewhere.
set -euo pipefail
cd "$(dirname "$0")/../.."
files=$(grep -rl --include='*_test.go' '^//go:build kubernetes' .)
if [ "${1:-}" = --tests ]; then
  names=$(grep -hoE '^func Test[A-Za-z0-9_]+' $files | cut -c6- | grep -v '^TestMain$' | sort -u | paste -sd'|')
  echo "^($names)\$"
  exit 0
fi
xargs -n1 dirname <<<"$files" | sort -u
