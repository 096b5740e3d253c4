#!/usr/bin/env bash
# The steps of a chart's release that can go wrong.
#
#   chart.sh tag TAG                  the chart and the version that a tag names
#   chart.sh fetch DIR                fetch the charts that it declares, and hold them against .github/upstream.sha256
#   chart.sh whole DIR|ARCHIVE        fail if a declared chart is missing, empty, or does not render
#   chart.sh package DIR OUTPUT       make the archive
#   chart.sh push ARCHIVE REGISTRY    publish it, unless the version is there already; the digest
#   chart.sh same ARCHIVE REGISTRY    fetch it again and compare
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
helm=${HELM:-$root/bin/tools/helm4}
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

# field CHART_YAML KEY: a top-level field.
field() { awk -v key="$2:" '$0 ~ "^" key {print $2; exit}' "$1"; }

# dependencies CHART_YAML: name, version and condition ("-" without one) of each declared chart, a line each.
dependencies() {
	awk '
		function tell() { if (name != "") print name, version, (condition == "" ? "-" : condition) }
		/^[^ #-]/ { inside = ($1 == "dependencies:") }
		inside && $1 == "-" { tell(); name = version = condition = ""; $1 = ""; $0 = $0 }
		inside && $1 == "name:" { name = $2 }
		inside && $1 == "version:" { version = $2 }
		inside && $1 == "condition:" { condition = $2 }
		END { tell() }
	' "$1" | tr -d "\"'"
}

tag() {
	[[ $1 =~ ^(bp-[a-z-]+)-v([0-9]+\.[0-9]+\.[0-9]+)$ ]] || fail "$1 is no tag of a chart: bp-<name>-v<version>"
	local chart=${BASH_REMATCH[1]} version=${BASH_REMATCH[2]} file=$root/charts/${BASH_REMATCH[1]}/Chart.yaml
	[ -f "$file" ] || fail "there is no chart $chart"
	[ "$(field "$file" version)" = "$version" ] || fail "the tag says $version, charts/$chart/Chart.yaml says $(field "$file" version)"
	printf 'chart=%s\nversion=%s\n' "$chart" "$version"
}

fetch() {
	rm -rf "$1/charts"
	"$helm" dependency build "$1" >&2
	local archive sum
	for archive in "$1"/charts/*.tgz; do
		sum=$(sha256sum "$archive" | cut -d' ' -f1)
		grep -qxF "$sum  $(basename "$archive")" "$root/.github/upstream.sha256" ||
			fail "$(basename "$archive") has the sum $sum, which .github/upstream.sha256 does not have. If it is a new version, compare the sum with what its publisher says, and add it."
	done
}

# switched_on DIR NAME: the arguments for a chart that is off by default: values of the tests that switch it on.
switched_on() {
	local file
	file=$(grep -lE "^$2:" "$root/tests/charts/testdata/renders/$(field "$1/Chart.yaml" name)"/*.yaml | head -1)
	[ -n "$file" ] || fail "no file of tests/charts/testdata/renders switches $2 on"
	echo "--values $file"
}

# whole looks into a folder or an archive, and at what it renders. A chart that is there and empty would pass for less.
whole() {
	local archive=$1 dir name version condition values
	if [ -d "$1" ]; then
		mkdir "$temp/packed"
		"$helm" package "$1" --destination "$temp/packed" >/dev/null
		archive=$(echo "$temp"/packed/*.tgz)
	fi
	mkdir "$temp/unpacked"
	tar -xmzf "$archive" -C "$temp/unpacked"
	dir=$(echo "$temp"/unpacked/*)
	dependencies "$dir/Chart.yaml" >"$temp/dependencies"
	[ -s "$temp/dependencies" ] || fail "$1 declares no chart that it is made of"
	while read -r name version condition; do
		local there=$dir/charts/$name
		[ -f "$there/Chart.yaml" ] || fail "$1 lacks $name $version"
		[ "$(field "$there/Chart.yaml" version)" = "$version" ] || fail "$1 has $name $(field "$there/Chart.yaml" version), not $version"
		[ -n "$(ls -A "$there/templates" 2>/dev/null)" ] || fail "$name in $1 is hollow: it has no templates"
	done <"$temp/dependencies"
	while read -r name version condition; do
		values=$root/charts/$(field "$dir/Chart.yaml" name)/ci/smoke-values.yaml
		"$helm" template whole "$dir" --namespace whole --values "$values" \
			$([ "$condition" = - ] || switched_on "$dir" "$name") >"$temp/rendered"
		[ "$(field "$dir/charts/$name/Chart.yaml" type)" = library ] || grep -q "^# Source: .*/charts/$name/" "$temp/rendered" ||
			fail "$1 renders nothing of $name"
	done <"$temp/dependencies"
	echo "$1 is whole: $(cut -d" " -f1,2 "$temp/dependencies" | paste -sd,)" >&2
}

package() {
	mkdir -p "$2"
	"$helm" package "$1" --destination "$2" >&2
}

# named ARCHIVE: name and version, as the archive itself has them.
named() {
	tar -xzOf "$1" "$(tar -tzf "$1" | grep -m1 -E '^[^/]+/Chart\.yaml$')" >"$temp/named.yaml"
	echo "$(field "$temp/named.yaml" name) $(field "$temp/named.yaml" version)"
}

push() {
	local name version
	read -r name version < <(named "$1")
	if "$helm" show chart "oci://$2/$name" --version "$version" >/dev/null 2>&1; then
		fail "$2/$name:$version is published already: a version is published once, so raise it"
	fi
	"$helm" push "$1" "oci://$2" >"$temp/pushed" 2>&1 || fail "$(cat "$temp/pushed")"
	cat "$temp/pushed" >&2
	local digest
	digest=$(awk '$1 == "Digest:" {print $2}' "$temp/pushed")
	[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || fail "helm push tells no digest"
	echo "digest=$digest"
}

same() {
	local name version
	read -r name version < <(named "$1")
	"$helm" pull "oci://$2/$name" --version "$version" --destination "$temp" >&2
	cmp "$1" "$temp/$name-$version.tgz" || fail "$2/$name:$version is not what was packaged"
	whole "$temp/$name-$version.tgz"
}

case ${1:-} in
tag | fetch | whole | package | push | same) "$@" ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
