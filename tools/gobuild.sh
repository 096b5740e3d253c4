#!/bin/sh
# gobuild.sh DIR OUT [PACKAGE...]: go build, saying every few seconds how far it is.
#
# A first build compiles everything it depends on, and with the Temporal server or golangci-lint in it
# that takes minutes. The exit status is that of go build; its messages appear once it has ended.
set -u

dir=$1
out=$2
shift 2

log=$(mktemp)
ticker=
cleanup() {
	[ -n "$ticker" ] && kill "$ticker" 2>/dev/null
	rm -f "$log"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

begin=$(date +%s)
status() {
	fetched=$(grep -c '^go: downloading' "$log")
	compiled=$(grep -cv '^go: \|[: ]' "$log")
	line="    $out: $(($(date +%s) - begin)) s"
	[ "$fetched" -eq 0 ] || line="$line, $fetched modules downloaded"
	[ "$compiled" -eq 0 ] || line="$line, $compiled packages compiled"
	echo "$line"
}

# The ticker's sleep must not hold our output open after we are gone.
(while sleep 5 >/dev/null 2>&1; do status; done) &
ticker=$!

(cd "$dir" && exec go build -v -o "$OLDPWD/$out" "$@") >"$log" 2>&1
rc=$?

if [ "$rc" -ne 0 ]; then
	# Package paths are progress; lines with a space or a colon are what the user has to read.
	grep '[: ]' "$log" | grep -v '^go: downloading' >&2
elif [ -s "$log" ]; then
	status
fi
exit "$rc"
