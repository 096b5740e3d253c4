#!/usr/bin/env bash
# Signs what `make images` has built and pushed, by digest and without a key of ours: each image, and for each of its
# platforms the bill of materials.
#
# Usage: sign-images.sh LAYOUT REGISTRY/PREFIX
set -euo pipefail

layout=$1 prefix=$2

while read -r name digest; do
	cosign sign --yes --recursive "$prefix/$name@$digest" </dev/null
	while read -r platform image; do
		cosign attest --yes --type cyclonedx --predicate "$layout/$name-$platform.cdx.json" "$prefix/$name@$image" </dev/null
	done < <(jq -r '.manifests[] | "\(.platform.os)-\(.platform.architecture) \(.digest)"' "$layout/blobs/${digest/://}")
done <"$layout/digests.txt"
