#!/bin/bash
# The service: counts in a file.
set -eu
folder=$1 interval=$2
for ((n = 1; ; n++)); do
  echo "$n" > "$folder/beats.new"
  mv "$folder/beats.new" "$folder/beats"
  sleep "$interval"
done
