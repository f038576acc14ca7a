#!/bin/bash
# Removes the service's folder.
set -eu
rm -rf -- "$folder"
