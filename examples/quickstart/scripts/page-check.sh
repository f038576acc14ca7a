#!/bin/bash
# Fetches the page once, by Bash alone, to be sure that the application answers.
set -euo pipefail
exec 3<> "/dev/tcp/${address%:*}/${address##*:}"
printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$address" >&3
read -r status <&3
case $status in
  *" 200 "*) echo "the page answers: $status" ;;
  *) echo "the page does not answer: $status" >&2; exit 1 ;;
esac
