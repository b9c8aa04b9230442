"""By which names and addresses the chart's objects are found: names, labels, Services, Ingress, HTTPRoute."""

import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.chart import CHART, RELEASE, find, render, run_helm, template, to_set

NAME = f"{RELEASE}-cogitate"


@pytest.mark.parametrize("release", ["a.team", "x" * 53, "cogitate" + "-x" * 22, f"{'y' * 49}.z"])
def test_names_are_dns_labels_whatever_the_release_is_called(release: str) -> None:
    values = ["--values", CHART / "ci/gateway-values.yaml"]
    done = run_helm("template", release, CHART, *values)
    assert done.returncode == 0, done.stderr
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(done.stdout) if each]
    assert len(names) >= 6
    assert all(re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in names), names


def test_labels_are_valid_for_a_version_with_build_metadata(tmp_path: Path) -> None:
    run_helm(
        "package", CHART, "--destination", tmp_path, "--version", "1.0.0+build.7", "--app-version", "1.0.0+build.7"
    )
    (archive,) = tmp_path.glob("*.tgz")
    done = template("gateway", chart=archive)
    assert done.returncode == 0, done.stderr
    deployment = find(list(filter(None, yaml.safe_load_all(done.stdout))), "Deployment")
    assert all(re.fullmatch(r"[\w.-]{1,63}", label) for label in deployment["metadata"]["labels"].values())
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "cogitate:1.0.0_build.7-gateway"


def test_name_of_the_objects_can_be_chosen() -> None:
    manifests = render("gateway", to_set("fullnameOverride", "reason"))
    assert {each["metadata"]["name"] for each in manifests} == {"reason", "reason-pods", "reason-dashboard"}
    assert find(manifests, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "reason"


def test_annotations_of_the_service_are_not_on_the_headless_one() -> None:
    """A load balancer or a DNS name would be made of it twice."""
    values = to_set("service.annotations", {"external-dns/hostname": "a.test"})
    services = [each for each in render("gateway", values) if each["kind"] == "Service"]
    assert ["annotations" in each["metadata"] for each in services] == [True, False]


def test_ingress_leads_to_the_port_that_serves() -> None:
    manifests = render("gateway")
    ingress, service = find(manifests, "Ingress"), next(each for each in manifests if each["kind"] == "Service")
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    assert ingress["spec"]["tls"] == [{"secretName": "reason-tls", "hosts": ["reason.example.com"]}]


def test_route_leads_to_the_service_and_ends_no_search() -> None:
    values = {"enabled": True, "parentRefs": [{"name": "edge"}], "hostnames": ["reason.example.com"], "timeout": "0s"}
    route = find(render("engine-gpu", to_set("route", values), to_set("port", 8080)), "HTTPRoute")["spec"]
    assert route["rules"] == [{"backendRefs": [{"name": NAME, "port": 8080}], "timeouts": {"request": "0s"}}]
    assert (route["parentRefs"], route["hostnames"]) == ([{"name": "edge"}], ["reason.example.com"])
