#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each (default 30s).
# Inputs that reach new code are shrunk by a few tries only: with large seeds, such
# as plan files, shrinking took all of the time and next to nothing was tried.
set -eu -o pipefail
cd "$(dirname "$0")/.."
for file in $(grep -rl --include='*_test.go' '^func Fuzz' . ); do
  dir=$(dirname "$file")
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
    echo "-- $dir $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-30s}" -fuzzminimizetime 20x "$dir"
  done
done
