#!/bin/bash
# Makes a new folder and returns where it is.
set -eu
path=$(mktemp -d "${TMPDIR:-/tmp}/$prefix-XXXXXX")
echo "made $path for $TOSCA_NODE"
echo "path=$path" >> "$TOSCA_OUTPUTS"
