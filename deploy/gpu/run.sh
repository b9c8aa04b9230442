#!/usr/bin/env bash
# Installs, serves and measures on a machine with a GPU and without a network: deploy/gpu/README.md.
#
#   run.sh PARTS OUT [ARGUMENT...]     PARTS: from carry.sh, `-` for packages that are installed; the rest is measure.py's
#
# From the environment: UPSTREAM (the URL of an engine that runs already), PYTHON, ENGINE_PORT, SERVER_PORT.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
started=()
trap stop EXIT

main() {
    if [[ $# -lt 2 || $1 == --help ]]; then
        sed -n 's/^# \{0,1\}//p' "$0"
        [[ ${1:-} == --help ]] && exit 0 || exit 1
    fi
    local parts=$1 out
    mkdir -p "$2"
    out=$(cd "$2" && pwd)
    shift 2
    python=${PYTHON:-python3}
    export PYTHONPATH=$root/deploy/package:$root${PYTHONPATH:+:$PYTHONPATH}
    if [[ $parts != - ]]; then install_packages "$parts" "$out"; fi
    local upstream=${UPSTREAM:-}
    if [[ -z $upstream ]]; then
        upstream=http://127.0.0.1:${ENGINE_PORT:-9000}/v1
        start_engine "$out"
    fi
    await "$upstream/models" 300 "the engine" "$out/engine.log"
    start_server "$upstream" "$out"
    local server=http://127.0.0.1:${SERVER_PORT:-8000}
    await "$server/health/ready" 60 "the server" "$out/server.log"
    "$python" "$here/measure.py" --upstream "$upstream" --server "$server" --out "$out/gpu.md" "$@"
}

install_packages() {
    local parts=$1 out=$2
    "$here/carry.sh" join "$parts" "$out/wheels"
    timeout 240 "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$out/site" "$out"/wheels/*.whl
    export PYTHONPATH=$PYTHONPATH:$out/site
}

start_engine() {
    local out=$1
    "$python" "$here/write_model.py" "$out/model"
    "$python" -m vllm.entrypoints.cli.main serve "$out/model" --served-model-name random-7b --load-format dummy \
        --port "${ENGINE_PORT:-9000}" --max-model-len 8192 --max-num-seqs 256 --generation-config vllm \
        >"$out/engine.log" 2>&1 &
    started+=("$!")
}

start_server() {
    local upstream=$1 out=$2
    "$python" -m cogitate.server serve --engine openai --upstream "$upstream" --port "${SERVER_PORT:-8000}" \
        >"$out/server.log" 2>&1 &
    started+=("$!")
}

# await URL SECONDS WHAT LOG: until it answers, or a process that was started has ended.
await() {
    local end=$((SECONDS + $2)) pid
    until "$python" -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=5)' "$1" 2>/dev/null; do
        for pid in "${started[@]}"; do
            kill -0 "$pid" 2>/dev/null || fail "$3 has ended" "$4"
        done
        ((SECONDS < end)) || fail "$3 does not answer at $1 after $2 s" "$4"
        sleep 0.5
    done
}

fail() {
    printf 'run.sh: %s\n' "$1" >&2
    tail -n 20 "$2" >&2 2>/dev/null || true
    exit 1
}

# Ends what was started; what has not ended after 30 s is killed, so that an engine that hangs does not keep the GPU.
stop() {
    local pid end=$((SECONDS + 30))
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do
        while kill -0 "$pid" 2>/dev/null && ((SECONDS < end)); do sleep 0.1; done
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

main "$@"
