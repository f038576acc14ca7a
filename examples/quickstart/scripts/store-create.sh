#!/bin/bash
# Makes the folder and the file that count visits.
set -euo pipefail
directory=$(mktemp -d "${TMPDIR:-/tmp}/quickstart-store.XXXXXX")
echo 0 > "$directory/visits"
{
  echo "directory=$directory"
  echo "file=$directory/visits"
} >> "$TOSCA_OUTPUTS"
