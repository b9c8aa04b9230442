#!/usr/bin/env bash
# redis-py imports OpenTelemetry wherever it is installed, although nothing was configured.
#
# Packages: redis 8.1.0, opentelemetry-sdk 1.45.2. Seen 2026-11-30, Python 3.11.
#
# Expected: `import redis` loads no telemetry; telemetry is loaded by whoever configures it.
# Seen:     `import redis.asyncio` loads OpenTelemetry's packages as soon as they can be imported, as vLLM's
#           environment has them: more modules, and a check such as "no module of opentelemetry is loaded while tracing
#           is off" can never hold in a process that uses Redis.
#
# Output seen:
#   expected: 0 modules of opentelemetry
#   actual:   61 modules, the SDK among them
#
# Exits with 1 if the behaviour changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "redis==8.1.0" "opentelemetry-sdk==1.45.2"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import redis.asyncio  # noqa: F401

loaded = [name for name in sys.modules if name.split(".")[0] == "opentelemetry"]
print("expected: 0 modules of opentelemetry")
print(f"actual:   {len(loaded)} modules, {'the SDK among them' if any('.sdk' in name for name in loaded) else 'the API alone'}")
sys.exit(0 if loaded else 1)
PYTHON
