#!/bin/sh
# fuzz.sh TIME: run every fuzz target of the root module for TIME, one after the other.
set -eu

time=$1
found=0
for file in $(grep -rl --include='*_test.go' '^func Fuzz' internal activities workflows 2>/dev/null); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		found=$((found + 1))
		echo "==> $target in $(dirname "$file")"
		go test "./$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$time"
	done
done
echo "$found fuzz targets ran for $time each"
[ "$found" -gt 0 ]
