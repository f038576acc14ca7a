#!/bin/bash
# Starts the service in a session of its own, so that it outlives this script.
set -eu
cp beat.sh "$folder/"
setsid bash "$folder/beat.sh" "$folder" "$interval" > "$folder/log" 2>&1 < /dev/null &
echo "started process $! on $TOSCA_HOST"
echo "{\"pid\": $!}" >> "$TOSCA_OUTPUTS"
