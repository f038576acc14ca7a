#!/bin/bash
# Builds the server from its source, which lies beside this script when it runs.
set -euo pipefail
directory=$(mktemp -d "${TMPDIR:-/tmp}/quickstart-server.XXXXXX")
echo "directory=$directory" >> "$TOSCA_OUTPUTS"
command -v go > /dev/null || { echo "no go command on the PATH: install Go from https://go.dev/doc/install" >&2; exit 1; }
echo "building with $(go version)"
GO111MODULE=off go build -o "$directory/server" ./main.go
echo "go_version=$(go env GOVERSION)" >> "$TOSCA_OUTPUTS"
