#!/bin/bash
# Simulates one part: $1 is where the parts lie.
set -eu
read -r width height <"$1/part.$ARRAY_INDEX"
echo "$width,$height,$((width * height))" >"found.$ARRAY_INDEX"
