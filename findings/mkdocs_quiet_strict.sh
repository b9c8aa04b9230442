#!/usr/bin/env bash
# `mkdocs build --strict` finds nothing wrong where `--quiet` stands beside it.
#
# Packages: mkdocs 1.6.1. Seen 2026-11-30, Python 3.11.
#
# Expected: --strict ends the build with status 1 where a page links to a page that does not exist; --quiet only says
#           that less is printed. A CI job has both.
# Seen:     with --quiet the status is 0. The warnings are counted by a handler of the log, and --quiet sets the level
#           of that log to ERROR, so that no warning reaches the handler.
#
# Output seen:
#   expected: status 1 with --strict, status 1 with --strict --quiet
#   actual:   status 1 with --strict, status 0 with --strict --quiet
#
# Exits with 1 if the behaviour changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "mkdocs==1.6.1"

mkdir -p "$folder/docs"
printf 'site_name: Example\n' > "$folder/mkdocs.yml"
printf '# Home\n\nSee [the guide](guide.md).\n' > "$folder/docs/index.md"
cd "$folder"
strict=0
"$folder/venv/bin/mkdocs" build --strict > log 2>&1 || strict=$?
quiet=0
"$folder/venv/bin/mkdocs" build --strict --quiet > log 2>&1 || quiet=$?
echo "expected: status 1 with --strict, status 1 with --strict --quiet"
echo "actual:   status $strict with --strict, status $quiet with --strict --quiet"
[[ "$strict" == 1 && "$quiet" == 0 ]]
