# Makes the namespaces and search attributes that SETUP lists, one namespace a line: name retention attribute=type…
# It may run any number of times, on an empty server or a used one.
set -eu

# What was just made reaches all parts of the server only after some seconds, and the server itself may still be starting.
insist() {
  try=1
  until "$@" </dev/null; do
    if [ "$try" -ge 60 ]; then
      echo "gave up after $try tries: $*" >&2
      exit 1
    fi
    try=$((try + 1))
    sleep 5
  done
}

namespace() {
  temporal operator namespace update --namespace "$1" --retention "$2" ||
    temporal operator namespace create --namespace "$1" --retention "$2"
}

insist temporal operator cluster health
printf '%s\n' "$SETUP" | while read -r name retention attributes; do
  echo "namespace $name, retention $retention"
  insist namespace "$name" "$retention"
  for attribute in $attributes; do
    echo "search attribute ${attribute%%=*}: ${attribute#*=}"
    insist temporal operator search-attribute create --namespace "$name" --name "${attribute%%=*}" --type "${attribute#*=}"
  done
done
echo "done"
