#!/bin/bash
# Removes the folder.
set -eu
rm -rf -- "$path"
