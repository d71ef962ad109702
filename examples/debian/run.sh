#!/usr/bin/env bash
# Loads Debian's package index into a shard for each vendor and asks it everything in queries.sql.
#
#   examples/debian/run.sh DATA [FOLDER]
#
# DATA holds vendor.csv.gz, package.csv.gz, dependency.csv.gz and tag.csv.gz (tests/data/debian has a trimmed copy). The shards go to
# FOLDER, which must not exist yet; without it to a temporary folder that is removed at the end. SOUK names the binary
# (default: target/release/souk), NODES the number of nodes (default: 4), SERVE=1 goes on serving until Ctrl-C.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
data=${1:?the folder with the four files}
souk=${SOUK:-$here/../../target/release/souk}
nodes=${NODES:-4}
export SOUK_ADDR=http://127.0.0.1:7070

folder=${2:-$(mktemp -d)/cluster}
mkdir "$folder"
processes=()
stop() {
  kill "${processes[@]}" 2>/dev/null || true
  wait
  if [[ -z ${keep:-} ]]; then rm -rf "$(dirname "$folder")"; fi
}
keep=${2:-}
trap stop EXIT

coordinator=("$souk" coordinator --listen 127.0.0.1:7070 --data "$folder/coordinator" --placement own)
for ((number = 1; number <= nodes; number++)); do
  address=127.0.0.1:$((7070 + number))
  "$souk" node --id "n$number" --listen "$address" --data "$folder/n$number" &
  processes+=($!)
  coordinator+=(--node "n$number=$address")
done
"${coordinator[@]}" &
processes+=($!)
until "$souk" status >/dev/null 2>&1; do
  kill -0 "${processes[@]}"
  sleep 0.1
done

"$souk" sql --file "$here/schema.sql"
for table in vendor package dependency tag; do
  "$souk" import --table "$table" --key vendor_id "$data/$table.csv.gz"
done
"$souk" status
"$souk" sql --file "$here/queries.sql"
if [[ -n ${SERVE:-} ]]; then
  echo "Serving at $SOUK_ADDR until Ctrl-C."
  wait
fi
