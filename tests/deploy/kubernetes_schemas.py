"""Kubernetes' own schemas of its objects, from the wheel of `kubernetes-validate`, which setup.sh downloads.

The wheel has 17,000 files, so it is read and not installed. Its schemas are strict: unknown fields are errors.
"""

import functools
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

VERSION = "1.35.0"
FILE = f"kubernetes_validate/kubernetes-json-schema/v{VERSION}-local-strict/_definitions.json"
POD_TEMPLATE = "io.k8s.api.core.v1.PodTemplateSpec"


@functools.cache
def load_definitions() -> dict[str, Any]:
    """Load the definitions of all types. Skips the test where the wheel is missing."""
    wheels = sorted(Path(sys.prefix, "wheels").glob("kubernetes_validate-*.whl"))
    if not wheels:
        pytest.skip("the schemas of Kubernetes are not here (PyPI: kubernetes-validate, which setup.sh downloads)")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        text = wheel.read(FILE).decode().replace("/api/_definitions.json#", "#")
    return dict(json.loads(text)["$defs"])


@functools.cache
def build_validator(definition: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({"$ref": f"#/$defs/{definition}", "$defs": load_definitions()})


@functools.cache
def find_definition(api_version: str, kind: str) -> str | None:
    """Return the name of the definition of a kind; None where Kubernetes does not have it: a custom resource."""
    group, _, version = api_version.rpartition("/")
    wanted = {"group": group, "kind": kind, "version": version}
    for name, definition in load_definitions().items():
        if wanted in definition.get("x-kubernetes-group-version-kind", ()):
            return name
    return None


def list_errors(manifest: Mapping[str, Any], definition: str) -> list[str]:
    """List what is wrong with an object, by the path in it."""
    errors = build_validator(definition).iter_errors(manifest)
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in errors]
