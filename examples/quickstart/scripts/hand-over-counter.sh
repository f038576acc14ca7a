#!/bin/bash
# Runs on the server's machine between create and configure of the server, and
# returns the store's file, which becomes an attribute of the server.
set -euo pipefail
test -w "$counter" || { echo "the store's file $counter cannot be written" >&2; exit 1; }
echo "counter=$counter" >> "$TOSCA_OUTPUTS"
