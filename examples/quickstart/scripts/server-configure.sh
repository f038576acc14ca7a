#!/bin/bash
# Writes the server's configuration.
set -euo pipefail
printf -- '-listen=127.0.0.1:%s\n-counter=%s\n' "$port" "$counter" > "$directory/arguments"
