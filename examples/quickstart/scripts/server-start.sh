#!/bin/bash
# Starts the server in a session of its own and waits until it listens.
set -euo pipefail
cd "$directory"
mapfile -t arguments < arguments
rm -f address
setsid ./server "${arguments[@]}" -page=page.txt -address=address > server.log 2>&1 < /dev/null &
pid=$!
echo "$pid" > pid
for _ in $(seq 600); do
  [ -s address ] && break
  kill -0 "$pid" 2> /dev/null || { echo "the server ended at once:" >&2; cat server.log >&2; exit 1; }
  sleep 0.05
done
[ -s address ] || { echo "the server did not listen within 30 seconds" >&2; exit 1; }
echo "address=$(cat address)" >> "$TOSCA_OUTPUTS"
echo "the server listens on $(cat address) as process $pid"
