#!/bin/bash
# Puts the page where the server reads it.
set -euo pipefail
printf '%s\n' "$greeting" > "$directory/page.txt"
