#!/bin/bash
# Writes each line of the parameters to a file of its own.
set -eu
n=0
while read -r line; do
	n=$((n + 1))
	echo "$line" >"part.$n"
done <parameters.txt
echo "$n parts"
