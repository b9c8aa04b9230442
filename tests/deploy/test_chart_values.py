"""The chart's values: what is wrong is refused by helm, in words that name the value."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from cogitate.server.flags.operation import LimitSettings, ObservabilitySettings
from tests.deploy import ROOT, load_yaml
from tests.deploy.chart import CHART, template, to_set

VALUES = load_yaml(CHART / "values.yaml")
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
WRONG = {
    "shape": ("gatway", "/shape"),
    "image.digest": ("sha256:abc", "/image/digest"),
    "replicas": (-1, "/replicas"),
    "upstreams": (["http://engine:8000"], "/upstreams/0"),
    "engineArgs": ({"tensor-parallel-size": 2}, "'tensor-parallel-size'"),
    "redis.url": ("redis://:password@redis:6379/0", "/redis/url"),
    "auth.keysSecret": ("My Keys", "/auth/keysSecret"),
    "shutdown.drainSeconds": ("1m", "/shutdown/drainSeconds"),
    "probes.startupFailures": (0, "/probes/startupFailures"),
    "port": (70000, "/port"),
    "log.format": ("yaml", "/log/format"),
    "autoscaling.kind": ("vpa", "/autoscaling/kind"),
    "autoscaling.minReplicas": (0, "/autoscaling/minReplicas"),
    "rollout.maxSurge": (-1, "/rollout/maxSurge"),
    "route.timeout": ("forever", "/route/timeout"),
    "ingress.hosts": (["https://reason.example.com"], "/ingress/hosts/0"),
    "fullnameOverride": ("My.Name", "/fullnameOverride"),
    "gpu.count": ("two", "/gpu/count"),
    "cache.size": ("100 GB", "/cache/size"),
    "multiNode.size": (0, "/multiNode/size"),
    "resources.limit": ({}, "'limit' not allowed"),
    "repicas": (2, "'repicas' not allowed"),
}


@pytest.mark.parametrize("path", WRONG)
def test_schema_refuses_a_wrong_value_and_names_it(path: str) -> None:
    value, message = WRONG[path]
    done = template("engine-gpu", [to_set(path, value)])
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.parametrize(
    ("shape", "values", "message"),
    [
        ("gateway", {"auth.keysSecret": ""}, "auth.keysSecret: name a Secret"),
        ("gateway", {"auth.insecureNoAuth": True}, "both given; keep one"),
        ("gateway", {"upstreams": []}, "upstreams: shape gateway needs"),
        ("gateway", {"engineArgs": {"seed": 1}}, "they need shape engine"),
        ("gateway", {"multiNode.size": 2}, "multiNode needs shape engine"),
        ("gateway", {"redis.url": ""}, "workers: several processes need"),
        ("engine-gpu", {"workers": 2}, "workers: several processes need"),
        ("engine-multinode", {"model": ""}, "must be named"),
        ("engine-gpu", {"autoscaling.minReplicas": 9}, "is above autoscaling.maxReplicas"),
        ("engine-gpu", {"metrics.port": 8000}, "port and metrics.port are the same"),
        ("engine-gpu", {"upstreamKey.secret": "key"}, "upstreamKey.secret needs upstreams"),
        ("engine-cpu", {"redis.passwordSecret": "redis"}, "need redis.url"),
        ("engine-cpu", {"redis.signingSecret": "redis"}, "need redis.url"),
        ("engine-gpu", {"engineArgs.api_key": "secret"}, "use auth.keysSecret"),
        ("engine-gpu", {"engineArgs.tensor_parallel_size": 4}, "size is 4, and gpu.count times multiNode.size is 2"),
        ("engine-multinode", {"engineArgs.pipeline_parallel_size": 4}, "multiNode.size is 16"),
        ("gateway", {"rollout.maxSurge": 0}, "no update could begin"),
        ("engine-gpu", {"cache.accessModes": ["ReadWriteOncePod"]}, "is for one pod at a time"),
        ("gateway", {"podLabels": {"app.kubernetes.io/name": "mine"}}, "podLabels: Services find their pods"),
        ("gateway", {"ingress.hosts": []}, "ingress.hosts: name the hosts"),
        ("gateway", {"route.enabled": True}, "route.parentRefs: name the Gateway"),
    ],
)
def test_values_that_do_not_go_together_are_refused(shape: str, values: dict[str, Any], message: str) -> None:
    done = template(shape, [to_set(path, value) for path, value in values.items()])
    assert done.returncode != 0
    assert message in done.stderr


def test_unquoted_n_of_a_preset_is_refused(tmp_path: Any) -> None:
    """Helm reads YAML 1.1, where `n` is a truth value: the preset would have an option called `false`."""
    (tmp_path / "values.yaml").write_text("presets: {careful: {name: self_consistency, n: 32}}\n")
    done = template("gateway", files=[tmp_path / "values.yaml"])
    assert done.returncode != 0
    assert 'presets.careful: write "n" with quotes' in done.stderr


def paths(node: Any, path: str = "") -> Iterator[str]:
    yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from paths(value, f"{path}.{key}")


def schema_paths(node: dict[str, Any], path: str = "") -> Iterator[str]:
    yield path
    for key, value in node.get("properties", {}).items():
        yield from schema_paths(value, f"{path}.{key}")


def test_values_file_shows_every_value_of_the_schema() -> None:
    assert set(schema_paths(SCHEMA)) - {".global", ".resources.limits", ".resources.requests"} <= set(paths(VALUES))


def test_every_object_of_the_schema_refuses_unknown_names() -> None:
    def list_objects(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if "properties" in node:
            yield node
        for child in node.get("properties", {}).values():
            yield from list_objects(child)

    shut = list(list_objects(SCHEMA))
    assert len(shut) > 15
    assert all(each["additionalProperties"] is False for each in shut)


def test_choices_of_the_log_are_those_of_the_server() -> None:
    log = SCHEMA["properties"]["log"]["properties"]
    fields = ObservabilitySettings.model_json_schema()["properties"]
    assert log["level"]["enum"] == fields["log_level"]["enum"]
    assert log["format"]["enum"] == fields["log_format"]["enum"]


def test_chart_has_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = load_yaml(CHART / "Chart.yaml")
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_scaling_by_waiting_generations_starts_before_the_server_refuses() -> None:
    limit = LimitSettings.model_fields["max_waiting_generations"].default
    assert 0 < VALUES["autoscaling"]["waiting"] < limit / 10
