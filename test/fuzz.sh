#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each (default 30s), all of
# them even after one failed.
# Inputs that reach new code are shrunk by a few tries only: with large seeds, such
# as plan files, shrinking took all of the time and next to nothing was tried.
set -u -o pipefail
cd "$(dirname "$0")/.."
log=$(mktemp) failed=0
trap 'rm -f "$log"' EXIT

fuzz() { # dir target time
  go test -run '^$' -fuzz "^$2\$" -fuzztime "$3" -fuzzminimizetime 20x "$1" 2>&1 | tee "$log"
}
# Go before 1.27 may end a target with this and nothing else when its time is up
# (go.dev/issue/75804): no input failed. Such a run is made once more.
only_time_was_up() {
  grep -q '^    context deadline exceeded$' "$log" && ! grep -q 'Failing input written\|panic:\|_test.go:' "$log"
}

for file in $(grep -rl --include='*_test.go' '^func Fuzz' .); do
  dir=$(dirname "$file")
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
    echo "-- $dir $target"
    fuzz "$dir" "$target" "${1:-30s}" && continue
    if only_time_was_up && fuzz "$dir" "$target" "${1:-30s}"; then continue; fi
    failed=$((failed + 1))
  done
done
[ "$failed" -eq 0 ] || { echo "$failed fuzz targets failed"; exit 1; }
