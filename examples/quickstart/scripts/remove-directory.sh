#!/bin/bash
# Removes the folder that an earlier create made; nothing if it never came so far.
set -euo pipefail
[ -n "${directory:-}" ] || exit 0
rm -rf -- "$directory"
