#!/bin/bash
# Stops the server and waits until it is gone.
set -euo pipefail
[ -s "${directory:-}/pid" ] || exit 0
pid=$(cat "$directory/pid")
for _ in $(seq 100); do
  kill "$pid" 2> /dev/null || exit 0
  sleep 0.05
done
kill -9 "$pid" 2> /dev/null || true # it may have ended just now
