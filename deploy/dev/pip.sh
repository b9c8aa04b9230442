# Runs pip with a progress line; pip's output goes to a log, and a failure is reported in one line.
# Sourced by deploy/dev/setup.sh, which sets venv, log, gigabytes and began, and has note and die.
# shellcheck shell=bash disable=SC2154

ticker=
trap stop_ticker EXIT

# pip_install TOTAL ARGUMENT...: TOTAL is the expected number of packages, 0 when unknown.
pip_install() { pip_try "$@" || pip_failed; }

# --no-compile: compiling takes half of the time, and Python compiles modules when they are imported.
pip_try() {
    local expected=$1 status=0
    shift
    watch_log "$expected" 9<&- &
    ticker=$!
    "$venv/bin/python" -m pip install --no-compile --disable-pip-version-check --no-input "$@" >>"$log" 2>&1 ||
        status=$?
    stop_ticker
    return "$status"
}

pip_uninstall() { "$venv/bin/python" -m pip uninstall --yes "$@" >>"$log" 2>&1 || pip_failed; }

pip_failed() {
    local reason
    if disk_full; then
        reason="the disk is full ($gigabytes GB are needed in $PWD, and some in ${TMPDIR:-/tmp})"
    elif no_network; then
        reason="no network, pip cannot reach its package index"
    elif grep -q 'Operation cancelled by user' "$log"; then
        reason="interrupted"
    else
        reason=$(sed -n 's/^ERROR: //p' "$log" | tail -n 1)
    fi
    die "the packages were not installed: ${reason:-pip failed}; pip's log is $log"
}

free_kilobytes() { df -Pk . | awk 'NR == 2 { print $4 }'; }

disk_full() { (($(free_kilobytes) < 50000)) || grep -qs 'No space left on device' "$log"; }

no_network() {
    grep -qE 'NewConnectionError|Max retries exceeded|ConnectTimeout|ReadTimeout|name resolution|ProxyError' "$log"
}

watch_log() {
    local expected=$1 seconds shown=$SECONDS line
    while sleep 1; do
        seconds=$((SECONDS - began))
        line="$(grep -cE '^(Collecting|Requirement already)' "$log" || true)"
        if ((expected > 1)); then line+=" of $expected"; fi
        line+=" packages, $seconds s"
        if grep -E '^(Collecting|Installing collected)' "$log" | tail -n 1 | grep -q ^Inst; then
            line="unpacking, $seconds s"
        fi
        if [[ -t 2 ]]; then
            printf '\r\033[K             %s' "$line" >&2
        elif ((SECONDS - shown >= 20)); then
            shown=$SECONDS
            note "$line"
        fi
    done
}

stop_ticker() {
    if [[ -n $ticker ]]; then
        kill "$ticker" 2>/dev/null || true
        wait "$ticker" 2>/dev/null || true
        ticker=
        if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
    fi
}
