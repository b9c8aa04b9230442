"""What the chart's pods may do: users, capabilities, writable folders, accounts, and who reads which secret."""

import json
import re

import pytest

from tests.deploy.chart import SECRETS, SHAPES, list_pods, render, to_set

each_shape = pytest.mark.parametrize("shape", SHAPES)


@each_shape
def test_pod_is_hardened(shape: str) -> None:
    for pod in list_pods(shape):
        spec = pod["spec"]
        (container,) = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 999
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_hardening_can_follow_the_rules_of_a_cluster() -> None:
    """OpenShift assigns a user itself, and refuses a pod that names one."""
    chosen = [to_set(f"podSecurityContext.{name}", None) for name in ("runAsUser", "runAsGroup", "fsGroup")]
    (pod,) = list_pods("gateway", *chosen)
    assert pod["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_service_account_of_the_operator_is_used() -> None:
    values = to_set("serviceAccount", {"create": False, "name": "models"})
    assert list_pods("gateway", values)[0]["spec"]["serviceAccountName"] == "models"
    assert "ServiceAccount" not in {manifest["kind"] for manifest in render("gateway", values)}
    (pod,) = list_pods("gateway", to_set("serviceAccount.create", False))
    assert pod["spec"]["serviceAccountName"] == "default"


@each_shape
def test_volumes_are_writable_where_the_image_writes(shape: str) -> None:
    for pod in list_pods(shape):
        (container,) = pod["spec"]["containers"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert {"/tmp", "/home/cogitate/.cache"} <= set(mounts)
        assert set(mounts.values()) == {volume["name"] for volume in pod["spec"]["volumes"]}
        assert ("/dev/shm" in mounts) is (shape != "gateway")


@each_shape
def test_secrets_are_references_and_read_by_the_server_alone(shape: str) -> None:
    assert "Secret" not in {manifest["kind"] for manifest in render(shape)}
    for pod in list_pods(shape):
        (container,) = pod["spec"]["containers"]
        files = {
            f"{SECRETS}/{item['path']}"
            for volume in pod["spec"]["volumes"]
            for source in volume.get("projected", {}).get("sources", ())
            for item in source["secret"]["items"]
        }
        assert files == set(re.findall(rf"{SECRETS}/[\w-]+", json.dumps(container["args"])))
        for variable in container["env"]:
            if "TOKEN" in variable["name"]:
                assert variable["valueFrom"]["secretKeyRef"] == {"name": "hugging-face", "key": "token"}


def test_workers_of_a_group_have_no_keys_and_no_port() -> None:
    leader, worker = list_pods("engine-multinode")
    assert "secrets" in {volume["name"] for volume in leader["spec"]["volumes"]}
    assert "secrets" not in {volume["name"] for volume in worker["spec"]["volumes"]}
    assert "ports" not in worker["spec"]["containers"][0]
