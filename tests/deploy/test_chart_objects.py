"""What the chart renders, of every shape: objects that Kubernetes accepts, and what each is for."""

import json
import re
from typing import Any

import pytest

from cogitate.server.observability.metrics import Metrics
from tests.deploy import DEPLOY
from tests.deploy.chart import (
    CHART,
    NAMESPACE,
    RELEASE,
    SHAPES,
    Manifest,
    find,
    list_pod_templates,
    render,
    run_helm,
    template,
    to_set,
)
from tests.deploy.kubernetes_schemas import POD_TEMPLATE, find_definition, list_errors

NAME = f"{RELEASE}-cogitate"
CUSTOM = {"ScaledObject", "ServiceMonitor", "LeaderWorkerSet"}
each_shape = pytest.mark.parametrize("shape", SHAPES)


def test_shapes_are_those_of_the_values_files() -> None:
    assert SHAPES == ("engine-cpu", "engine-gpu", "engine-multinode", "gateway")


@each_shape
def test_kubernetes_schemas_accept_every_object_and_know_every_field(shape: str) -> None:
    manifests = render(shape)
    assert len(manifests) >= 6
    for manifest in manifests:
        definition = find_definition(manifest["apiVersion"], manifest["kind"])
        assert (definition is None) is (manifest["kind"] in CUSTOM)
        if definition:
            assert list_errors(manifest, definition) == []
        for pod in list_pod_templates(manifest.get("spec", {})):
            assert list_errors(pod, POD_TEMPLATE) == []


def test_kubernetes_schemas_refuse_a_misspelt_field() -> None:
    """Otherwise the test above could not fail."""
    manifest = json.loads(json.dumps(find(render("gateway"), "Deployment")))
    manifest["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    definition = find_definition("apps/v1", "Deployment")
    assert definition
    assert any("readynessProbe" in error for error in list_errors(manifest, definition))


@each_shape
def test_objects_have_the_labels_by_which_they_are_found(shape: str) -> None:
    manifests = render(shape)
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(set(names)) == len(names)
    for manifest in manifests:
        labels = manifest["metadata"]["labels"]
        assert (labels["app.kubernetes.io/name"], labels["app.kubernetes.io/instance"]) == ("cogitate", RELEASE)


@each_shape
def test_services_select_the_pods_that_serve_and_no_others(shape: str) -> None:
    manifests = render(shape)
    services = [each for each in manifests if each["kind"] == "Service"]
    assert [each["metadata"]["name"] for each in services] == [NAME, f"{NAME}-pods"]
    assert services[1]["spec"]["clusterIP"] == "None"
    for pod in (pod for each in manifests for pod in list_pod_templates(each.get("spec", {}))):
        serves = pod["spec"]["containers"][0]["command"] == ["cogitate"]
        for service in services:
            assert (service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()) is serves


@pytest.mark.parametrize("shape", ["engine-gpu", "engine-multinode"])
def test_update_without_spare_gpus_stops_a_pod_first(shape: str) -> None:
    manifests = render(shape, to_set("rollout", {"maxSurge": 0, "maxUnavailable": 1}))
    (workload,) = (each for each in manifests if each["kind"] in ("Deployment", "LeaderWorkerSet"))
    text = json.dumps(workload)
    assert '{"maxSurge": 0, "maxUnavailable": 1}' in text or '{"maxUnavailable": 1, "maxSurge": 0}' in text


@each_shape
def test_update_starts_a_pod_before_it_stops_one(shape: str) -> None:
    if shape == "engine-multinode":
        update = find(render(shape), "LeaderWorkerSet")["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]
    else:
        update = find(render(shape), "Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert update == {"maxUnavailable": 0, "maxSurge": 1}


def test_update_is_not_given_up_while_a_model_loads() -> None:
    deployment = find(render("engine-gpu"), "Deployment")["spec"]
    probe = deployment["template"]["spec"]["containers"][0]["startupProbe"]
    assert deployment["progressDeadlineSeconds"] > probe["failureThreshold"] * probe["periodSeconds"]


def metric_names() -> set[str]:
    return {family.name for family in Metrics().registry.collect()}


@each_shape
def test_autoscaler_adds_pods_by_a_metric_of_the_server(shape: str) -> None:
    for kind in ("hpa", "keda"):
        manifests = render(shape, to_set("autoscaling.kind", kind), to_set("autoscaling.waiting", 5))
        scaler = find(manifests, "HorizontalPodAutoscaler" if kind == "hpa" else "ScaledObject")["spec"]
        workload = find(manifests, "LeaderWorkerSet" if shape == "engine-multinode" else "Deployment")
        assert scaler["scaleTargetRef"] == {
            "apiVersion": workload["apiVersion"],
            "kind": workload["kind"],
            "name": workload["metadata"]["name"],
        }
        assert "replicas" not in workload["spec"], "an upgrade would undo the autoscaler's number"
        if kind == "hpa":
            metric: dict[str, Any] = scaler["metrics"][0]["pods"]
            assert metric["metric"]["name"] in metric_names() and metric["target"]["averageValue"] == "5"
        else:
            query, threshold = (scaler["triggers"][0]["metadata"][key] for key in ("query", "threshold"))
            assert set(re.findall(r"cogitate_\w+", query)) <= metric_names() and threshold == "5"
            assert f'namespace="{NAMESPACE}", service="{NAME}-pods"' in query


def test_query_of_the_autoscaler_parses() -> None:
    promql = pytest.importorskip("promql_parser", reason="PyPI: promql-parser")
    promql.parse(find(render("gateway"), "ScaledObject")["spec"]["triggers"][0]["metadata"]["query"])


def test_without_an_autoscaler_the_number_of_pods_is_the_values() -> None:
    manifests = render("gateway", to_set("autoscaling.kind", "none"), to_set("replicas", 7))
    assert find(manifests, "Deployment")["spec"]["replicas"] == 7
    assert not {each["kind"] for each in manifests} & {"HorizontalPodAutoscaler", "ScaledObject"}


def selects(policy: Manifest, port: str) -> list[Any]:
    """The peers that may reach a port; an empty list: all."""
    (rule,) = (each for each in policy["spec"]["ingress"] if {"port": port} in each.get("ports", ()))
    return list(rule.get("from", []))


def test_only_named_namespaces_reach_the_port_that_asks_for_no_key() -> None:
    policy = find(render("gateway", to_set("networkPolicy.metricsNamespaces", ["ops"])), "NetworkPolicy")
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ops"]}
    assert selects(policy, "metrics") == [{"namespaceSelector": {"matchExpressions": [expression]}}]
    assert selects(policy, "http") == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    ]
    nobody = find(render("gateway", to_set("networkPolicy.metricsNamespaces", [])), "NetworkPolicy")
    assert [each["ports"] for each in nobody["spec"]["ingress"]] == [[{"port": "http"}]]


def test_egress_is_free_unless_rules_are_given() -> None:
    assert find(render("engine-gpu"), "NetworkPolicy")["spec"]["policyTypes"] == ["Ingress"]
    rule = {"to": [{"podSelector": {}}]}
    limited = find(render("engine-gpu", to_set("networkPolicy.egress", [rule])), "NetworkPolicy")["spec"]
    assert (limited["policyTypes"], limited["egress"]) == (["Ingress", "Egress"], [rule])


def test_pods_of_one_group_reach_each_other() -> None:
    policy = find(render("engine-multinode"), "NetworkPolicy")["spec"]
    assert {"from": [{"podSelector": policy["podSelector"]}]} in policy["ingress"]


@each_shape
def test_disruption_budget_and_network_policy_are_of_the_pods(shape: str) -> None:
    manifests = render(shape)
    pods = [pod for each in manifests for pod in list_pod_templates(each.get("spec", {}))]
    for selector in (
        find(manifests, "PodDisruptionBudget")["spec"]["selector"],
        find(manifests, "NetworkPolicy")["spec"]["podSelector"],
    ):
        assert all(selector["matchLabels"].items() <= pod["metadata"]["labels"].items() for pod in pods)
    assert find(manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_service_monitor_selects_the_service_that_has_the_metrics_port() -> None:
    manifests = render("gateway")
    monitor = find(manifests, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = (
        each for each in manifests if each["kind"] == "Service" and wanted <= each["metadata"]["labels"].items()
    )
    assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_dashboard_is_the_one_of_the_repository() -> None:
    (config,) = (each for each in render("gateway") if each["kind"] == "ConfigMap")
    original = (DEPLOY / "grafana/dashboards/cogitate.json").read_text()
    assert json.loads(config["data"]["cogitate.json"]) == json.loads(original)
    assert len(json.dumps(config)) < 1_000_000, "the limit of an object in etcd"
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_cache_claim_outlives_the_release_and_an_existing_one_is_used() -> None:
    claim = find(render("engine-gpu"), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["resources"]["requests"]["storage"] == "200Gi"
    assert "PersistentVolumeClaim" not in {each["kind"] for each in render("engine-multinode")}


def test_package_contains_the_dashboard_and_no_link(tmp_path: Any) -> None:
    done = run_helm("package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("*.tgz")
    done = template("gateway", chart=archive)
    assert done.returncode == 0 and '\\"uid\\"' in done.stdout, done.stderr


def test_lint_finds_nothing() -> None:
    done = run_helm("lint", CHART, "--strict", "--values", CHART / "ci/engine-cpu-values.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout
