#!/usr/bin/env bash
# What a cluster without the Prometheus operator is given: nothing of monitoring.coreos.com, unless somebody asks for it.
#
# Usage: tests/observability-toggle.sh [CHART_DIR]; HELM names the helm to use.
set -euo pipefail

helm=${HELM:-helm}
chart=$(cd "${1:-$(dirname "$0")/..}" && pwd)
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

# Helm renders nothing while a dependency is missing. The copy keeps the chart's own folder as it is.
work=$chart
if [ -z "$(ls -A "$chart/charts" 2>/dev/null)" ]; then
	work=$temp/chart
	cp -R "$chart" "$work"
	if ! timeout 120 "$helm" dependency build "$work" >"$temp/build" 2>&1; then
		echo "upstream render SKIPPED: the dependency cannot be built here; a stub stands for it"
		mkdir -p "$work/charts/litellm-helm"
		printf 'apiVersion: v2\nname: litellm-helm\nversion: %s\n' \
			"$(awk '$2 == "name:" && $3 == "litellm-helm" {found = 1} found && $1 == "version:" {print $2; exit}' "$work/Chart.yaml")" \
			>"$work/charts/litellm-helm/Chart.yaml"
	fi
fi

toggles=(serviceMonitor.enabled prometheusRule.enabled dashboards.enabled database.cluster.podMonitor.enabled)
on=() off=()
for toggle in "${toggles[@]}"; do
	on+=(--set "$toggle=true")
	off+=(--set "$toggle=false")
done

render() {
	"$helm" template toggle "$work" --namespace toggle --values "$chart/ci/smoke-values.yaml" "$@"
}

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

nothing() {
	! grep -q 'monitoring\.coreos\.com' "$1" || fail "$2 has objects of monitoring.coreos.com"
	! grep -q 'grafana_dashboard' "$1" || fail "$2 has dashboards"
	grep -q '^kind: Deployment$' "$1" || fail "$2 has no Deployment"
}

echo "case 1: by default, nothing is monitored"
render >"$temp/default"
nothing "$temp/default" "the default render"

echo "case 2: on request, everything is"
render --api-versions monitoring.coreos.com/v1 "${on[@]}" >"$temp/on"
for kind in ServiceMonitor PodMonitor PrometheusRule; do
	grep -q "^kind: $kind\$" "$temp/on" || fail "there is no $kind, though it was asked for"
done
grep -q 'grafana_dashboard' "$temp/on" || fail "there is no dashboard, though it was asked for"

echo "case 3: what is off is off, wherever the operator is installed"
render --api-versions monitoring.coreos.com/v1 "${off[@]}" >"$temp/off"
nothing "$temp/off" "the render with everything off"

echo "case 4: what is on needs the operator, and says so"
if render --set serviceMonitor.enabled=true >"$temp/early" 2>"$temp/error"; then
	fail "serviceMonitor.enabled renders without monitoring.coreos.com/v1"
fi
grep -q 'serviceMonitor\.enabled' "$temp/error" || fail "the error does not name serviceMonitor.enabled: $(cat "$temp/error")"

echo "observability toggles: ok"
