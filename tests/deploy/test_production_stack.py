"""The values for production-stack's chart: what that chart cannot check, since it is not here to be rendered."""

import re
import subprocess
import sys
import tomllib

from tests.deploy import DEPLOY, PATH, ROOT, load_yaml

VALUES = load_yaml(DEPLOY / "helm/production-stack-values.yaml")
ENGINE = VALUES["servingEngineSpec"]
(MODEL,) = ENGINE["modelSpec"]


def test_image_is_the_target_whose_entry_point_is_the_charts_command() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert MODEL["tag"] == f"{version}-gpu-plugin"
    assert re.search(r"^FROM gpu AS gpu-plugin$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)


def test_plugin_accepts_the_variables() -> None:
    variables = {each["name"]: each["value"] for each in MODEL["env"]}
    assert any(name.startswith("COGITATE_") for name in variables)
    code = "from cogitate.server.plugin.settings import read_settings; print(read_settings().presets['careful'].n)"
    environment = {"PATH": PATH, "PYTHONPATH": ":".join(sys.path), **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "32\n"), done.stderr


def test_pods_are_hardened_and_write_where_the_image_does() -> None:
    assert ENGINE["securityContext"]["runAsUser"] == ENGINE["securityContext"]["fsGroup"] == 10001
    assert ENGINE["containerSecurityContext"] == {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {each["mountPath"]: each["name"] for each in MODEL["extraVolumeMounts"]}
    assert set(mounts) == {"/tmp", "/home/cogitate/.cache"}
    assert set(mounts.values()) == {each["name"] for each in MODEL["extraVolumes"]}
