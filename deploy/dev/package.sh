#!/usr/bin/env bash
# Builds the sdist and the wheel into dist/, and checks both as a package index would: twine, check-sdist, deptry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tools=.venv/release
[[ -x $tools/bin/twine ]] || python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check build==1.6.1 check-sdist==1.6.0 twine==7.0.0
rm -rf dist
"$tools/bin/python" -m build --outdir dist .
"$tools/bin/twine" check --strict dist/*
"$tools/bin/check-sdist"
.venv/bin/deptry .
"$tools/bin/python" -m zipfile --list dist/*.whl
