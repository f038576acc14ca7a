#!/bin/bash
# Makes the service's folder.
set -eu
folder=$(mktemp -d "${TMPDIR:-/tmp}/heartbeat-XXXXXX")
echo "folder=$folder" >> "$TOSCA_OUTPUTS"
