#!/bin/bash
# Stops the service and waits for its end, ten seconds at most.
set -eu
kill "$pid" 2> /dev/null || exit 0
for ((n = 0; n < 100; n++)); do
  case $(ps -o stat= -p "$pid" 2> /dev/null || true) in
    "" | Z*) exit 0 ;; # gone, or only its parent has not noticed
  esac
  sleep 0.1
done
kill -9 "$pid"
