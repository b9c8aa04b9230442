"""The pods of the chart: arguments that our own parser accepts, probes, shutdown, resources and volumes."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from cogitate.server.cli import build_parser, build_settings
from cogitate.server.config.parser import FLAGS_OF_VLLM
from cogitate.server.http.authentication import PUBLIC_PATHS
from cogitate.server.settings import Settings
from tests.deploy.chart import RELEASE, SECRETS, SHAPES, list_pods, list_servers, to_set
from tests.deploy.kubernetes_schemas import POD_TEMPLATE, list_errors

each_shape = pytest.mark.parametrize("shape", SHAPES)


def parse(container: dict[str, Any], folder: Path) -> tuple[argparse.Namespace, Settings]:
    """Parse a container's arguments as `cogitate` does. Its secrets are files in `folder`."""
    for name in ("keys", "upstream-key", "redis-password"):
        (folder / name).write_text("value")
    (folder / "cache-secret").write_text("s" * 32)
    given = build_parser().parse_args([word.replace(SECRETS, str(folder)) for word in container["args"]])
    return given, build_settings(given)


@each_shape
def test_every_argument_is_a_flag_of_the_server(shape: str, tmp_path: Path) -> None:
    (container,) = list_servers(shape)
    given, settings = parse(container, tmp_path)
    assert given.command == "serve"
    multi = {"--nnodes", "--node-rank", "--master-addr"} if shape == "engine-multinode" else set()
    assert {flag.name for flag in getattr(given, FLAGS_OF_VLLM)} == multi
    assert settings.engine == ("openai" if shape == "gateway" else "vllm")
    assert (settings.host, settings.port, settings.metrics_port) == ("0.0.0.0", 8000, 9090)


def test_values_of_a_gateway_are_its_settings(tmp_path: Path) -> None:
    (container,) = list_servers("gateway", to_set("upstreams", ["http://a/v1", "http://b:8000/v1"]))
    _, settings = parse(container, tmp_path)
    assert settings.upstream == ("http://a/v1", "http://b:8000/v1")
    assert settings.presets["careful"].model_dump()["n"] == 32
    assert settings.served_model_name == ("qwen",)
    assert settings.workers == 2
    assert settings.cache_url == "redis://:value@redis:6379/0"
    assert settings.cache_secret == b"s" * 32
    assert settings.api_keys_file == tmp_path / "keys"
    assert (settings.log_level, settings.log_format) == ("info", "json")


def test_model_of_a_gateway_is_the_upstreams_name_of_it(tmp_path: Path) -> None:
    (container,) = list_servers("gateway", to_set("model", "Qwen/Qwen3-8B"))
    assert parse(container, tmp_path)[1].model == "Qwen/Qwen3-8B"


def test_values_of_an_engine_are_its_settings(tmp_path: Path) -> None:
    (container,) = list_servers("engine-gpu")
    _, settings = parse(container, tmp_path)
    assert settings.model == "Qwen/Qwen2.5-7B-Instruct"
    assert settings.engine_args == {
        "tensor_parallel_size": 2,
        "max_model_len": 16384,
        "gpu_memory_utilization": 0.9,
        "enable_prefix_caching": True,
    }


@each_shape
def test_grace_period_is_the_sum_of_what_a_pod_does_after_its_deletion(shape: str, tmp_path: Path) -> None:
    values = [to_set(f"shutdown.{name}Seconds", n) for name, n in (("linger", 7), ("drain", 100), ("preStop", 3))]
    (container,) = list_servers(shape, *values)
    _, settings = parse(container, tmp_path)
    assert (settings.linger_seconds, settings.drain_seconds) == (7, 100)
    for pod in list_pods(shape, *values):
        sleep = pod["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        is_server = pod["spec"]["containers"][0]["command"] == ["cogitate"]
        assert sleep == (3 if is_server else 3 + 7 + 100), "a worker stays until the leader has drained"
        assert pod["spec"]["terminationGracePeriodSeconds"] == 3 + 7 + 100 + 20


def test_no_sleep_without_pre_stop_seconds() -> None:
    (container,) = list_servers("gateway", to_set("shutdown.preStopSeconds", 0))
    assert "lifecycle" not in container


@each_shape
def test_probes_ask_paths_that_need_no_key_on_the_port_that_serves(shape: str) -> None:
    (container,) = list_servers(shape)
    probes = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert paths == {
        "startup": "/health/live" if shape == "gateway" else "/health/ready",
        "readiness": "/health/ready",
        "liveness": "/health/live",
    }
    assert set(paths.values()) <= PUBLIC_PATHS
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 8000, "metrics": 9090}
    assert {probe["httpGet"]["port"] for probe in probes.values()} == {"http"}


def test_a_model_may_load_for_half_an_hour_and_longer_where_the_values_say() -> None:
    for shape, seconds in (("engine-gpu", 1800), ("engine-multinode", 3600)):
        (container,) = list_servers(shape)
        probe = container["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] == seconds


@each_shape
def test_further_volumes_are_mounted_in_every_pod(shape: str) -> None:
    volume, mount = {"name": "models", "hostPath": {"path": "/models"}}, {"name": "models", "mountPath": "/models"}
    pods = list_pods(shape, to_set("extraVolumes", [volume]), to_set("extraVolumeMounts", [mount]))
    for pod in pods:
        assert volume in pod["spec"]["volumes"] and mount in pod["spec"]["containers"][0]["volumeMounts"]
        assert list_errors(pod, POD_TEMPLATE) == []


def test_pods_are_spread_among_those_of_the_release_unless_the_constraint_says_otherwise() -> None:
    (pod,) = list_pods("gateway")
    (constraint,) = pod["spec"]["topologySpreadConstraints"]
    selector = constraint["labelSelector"]["matchLabels"]
    assert selector["app.kubernetes.io/instance"] == RELEASE and selector.items() <= pod["metadata"]["labels"].items()
    own = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    own["labelSelector"] = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    (pod,) = list_pods("gateway", to_set("topologySpreadConstraints", [own]))
    assert pod["spec"]["topologySpreadConstraints"][0]["labelSelector"] == own["labelSelector"]


@each_shape
def test_kubernetes_injects_no_variables_of_services(shape: str) -> None:
    """COGITATE_PORT=tcp://10.0.0.1:8000 would stand beside --port for a Service called cogitate."""
    assert all(pod["spec"]["enableServiceLinks"] is False for pod in list_pods(shape))


def test_workers_have_the_flags_of_the_leader() -> None:
    leader, worker = (pod["spec"]["containers"][0] for pod in list_pods("engine-multinode"))
    assert worker["command"] == ["vllm"]
    assert worker["args"] == [
        "serve",
        "meta-llama/Llama-3.1-405B-Instruct",
        "--headless",
        "--nnodes=2",
        "--node-rank=$(LWS_WORKER_INDEX)",
        "--master-addr=$(LWS_LEADER_ADDRESS)",
        "--no-enable-expert-parallel",
        "--kv-cache-dtype=fp8",
        "--pipeline-parallel-size=2",
        "--tensor-parallel-size=8",
    ]
    assert {"--nnodes=2", "--node-rank=0", "--master-addr=$(LWS_LEADER_ADDRESS)"} <= set(leader["args"])


def test_flags_of_workers_have_values_of_every_type() -> None:
    engine = {"kv_cache_memory_bytes": 68719476736, "gpu_memory_utilization": 0.95, "hf_overrides": {"a": 1}}
    _, worker = (
        pod["spec"]["containers"][0]
        for pod in list_pods("engine-multinode", to_set("engineArgs", engine | {"x": None}))
    )
    flags = set(worker["args"])
    assert {"--kv-cache-memory-bytes=68719476736", "--gpu-memory-utilization=0.95", '--hf-overrides={"a":1}'} <= flags


def test_gpus_are_requested_beside_the_resources_of_the_values() -> None:
    (container,) = list_servers("engine-gpu")
    assert container["resources"]["limits"] == {"memory": "64Gi", "nvidia.com/gpu": 2}
    assert container["resources"]["requests"] == {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": 2}
    (amd,) = list_servers("engine-gpu", to_set("gpu.resource", "amd.com/gpu"))
    assert amd["resources"]["limits"]["amd.com/gpu"] == 2
    for shape in ("engine-cpu", "gateway"):
        assert "gpu" not in json.dumps(list_servers(shape)[0]["resources"])


@pytest.mark.parametrize(
    ("shape", "image"),
    [("gateway", "gateway"), ("engine-cpu", "cpu"), ("engine-gpu", "gpu"), ("engine-multinode", "gpu")],
)
def test_image_is_of_the_target_of_the_shape_and_a_digest_wins(shape: str, image: str) -> None:
    assert list_servers(shape)[0]["image"] == f"cogitate:0.1.0-{image}"
    digest = f"sha256:{'a' * 64}"
    pinned = list_servers(shape, to_set("image.digest", digest), to_set("image.repository", "registry.test/cogitate"))
    assert pinned[0]["image"] == f"registry.test/cogitate@{digest}"
