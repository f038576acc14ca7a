#!/bin/bash
# Takes the page away.
set -euo pipefail
[ -n "${directory:-}" ] || exit 0
rm -f -- "$directory/page.txt"
