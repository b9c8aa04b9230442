"""Prometheus and Grafana: every query parses and names existing metrics; promtool evaluates queries and alerts."""

import importlib.util
import json
import re
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from cogitate.server.errors import REASONS
from cogitate.server.observability.metrics import FATES, PREFIX_CACHE_RESULTS, Metrics
from cogitate.strategies import STRATEGIES
from tests.deploy import DEPLOY, ROOT, find_program, load_yaml, run

promql = pytest.importorskip("promql_parser", reason="PyPI: promql-parser")

ENDPOINT = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/models",
    "/health/ready",
    "/metrics",
    "other",
)
STRATEGY = ("none", *STRATEGIES)
UPSTREAM = ("http://a:8001/v1", "http://b:8001/v1")
METRICS: dict[str, dict[str, tuple[str, ...]]] = {
    "cogitate_requests_total": {"endpoint": ENDPOINT, "strategy": STRATEGY, "status": ("2xx", "4xx", "5xx")},
    "cogitate_refused_total": {"reason": REASONS},
    "cogitate_request_seconds": {"strategy": STRATEGY},
    "cogitate_queue_seconds": {"strategy": STRATEGY},
    "cogitate_time_to_first_token_seconds": {"strategy": STRATEGY},
    "cogitate_prompt_tokens_total": {"strategy": STRATEGY, "cache": PREFIX_CACHE_RESULTS},
    "cogitate_generated_tokens_total": {"strategy": STRATEGY, "fate": FATES},
    "cogitate_tenant_tokens_total": {"tenant": ("acme", "beta"), "kind": ("prompt", "generated")},
    "cogitate_model_tokens_total": {"model": ("small", "large")},
    "cogitate_model_failures_total": {"model": ("small", "large")},
    "cogitate_candidates": {"strategy": STRATEGY},
    "cogitate_reused_candidates_total": {"strategy": STRATEGY},
    "cogitate_agreement": {"strategy": STRATEGY},
    "cogitate_stopped_total": {"strategy": STRATEGY, "reason": ("completed", "decided", "deadline", "budget")},
    "cogitate_cache_total": {"result": ("hit", "miss", "stored", "corrupt", "unavailable")},
    "cogitate_spans_total": {"result": ("exported", "failed", "dropped")},
    "cogitate_engine_running": {},
    "cogitate_engine_waiting": {},
    "cogitate_engine_stalled": {},
    "cogitate_requests_in_flight": {},
    "cogitate_ready": {},
    "cogitate_upstream_in_flight": {"upstream": UPSTREAM},
    "cogitate_upstream_ejected": {"upstream": UPSTREAM},
    "cogitate_upstream_ejections_total": {"upstream": UPSTREAM},
    "cogitate_upstream_retries_total": {"upstream": UPSTREAM},
    "cogitate_build_info": {"version": ("0.1.0",), "engine": ("vllm",), "vllm": ("0.32.0",)},
}
HISTOGRAMS = {
    "cogitate_request_seconds",
    "cogitate_queue_seconds",
    "cogitate_time_to_first_token_seconds",
    "cogitate_candidates",
    "cogitate_agreement",
    "vllm:time_to_first_token_seconds",
    "vllm:inter_token_latency_seconds",
}
FROM_PROMETHEUS = {"instance", "job"}
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/cogitate.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERT_CASES = Path(__file__).with_name("alerts_test.yml")
ALERTS = [rule for group in load_yaml(DEPLOY / "prometheus/alerts.yml")["groups"] for rule in group["rules"]]
COMPOSE = load_yaml(ROOT / "docker-compose.yml")
SCRAPES = {job["job_name"]: job for job in load_yaml(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"]}

each_panel = pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])


def queries(panel: dict[str, Any]) -> list[str]:
    """The queries of a panel as Grafana sends them when nothing is selected."""
    expressions = [target["expr"].replace("$__rate_interval", "5m") for target in panel["targets"]]
    return [re.sub(r"\$(strategy|model|instance)", ".*", expr) for expr in expressions]


EXPRESSIONS = [
    *(pytest.param(expr, id=panel["title"]) for panel in PANELS for expr in queries(panel)),
    *(pytest.param(rule["expr"], id=rule["alert"]) for rule in ALERTS),
    *(pytest.param(note["expr"], id=note["name"]) for note in DASHBOARD["annotations"]["list"] if "expr" in note),
]
each_expression = pytest.mark.parametrize("expr", EXPRESSIONS)


def nodes(node: Any) -> Iterator[Any]:
    """The node of a parsed query, and all nodes below it."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (child := getattr(node, name, None)) is not None:
            yield from nodes(child)
    for child in getattr(node, "args", None) or ():
        yield from nodes(child)


def metric(name: str) -> str:
    """The metric of a series: the name, without the suffix of a histogram's series."""
    stem = re.sub(r"_(bucket|sum|count)$", "", name)
    return stem if stem in HISTOGRAMS else name


@each_expression
def test_query_names_existing_metrics_labels_and_values(expr: str) -> None:
    tree = list(nodes(promql.parse(expr)))
    selectors = [node for node in tree if isinstance(node, promql.VectorSelector)]
    known = {"le", "engine", *FROM_PROMETHEUS}
    assert selectors
    for selector in selectors:
        assert selector.name not in HISTOGRAMS, "a histogram's series end in _bucket, _sum or _count"
        assert metric(selector.name) in METRICS or selector.name.startswith("vllm:") or selector.name == "up"
        labels = METRICS.get(metric(selector.name), {})
        known |= set(labels)
        for matcher in selector.matchers.matchers:
            assert matcher.name in {*labels, *FROM_PROMETHEUS}
            if matcher.name in labels:
                assert any(re.fullmatch(matcher.value, value) for value in labels[matcher.name]), matcher.value
    for node in tree:
        modifier = getattr(node, "modifier", None)
        assert set(getattr(modifier, "labels", ())) <= known


def test_server_has_exactly_the_listed_metrics() -> None:
    families = {family.name: family.type for family in Metrics().registry.collect()}
    assert {f"{name}_total" if kind == "counter" else name for name, kind in families.items()} == set(METRICS)
    assert {name for name, kind in families.items() if kind == "histogram"} == HISTOGRAMS & set(METRICS)


def test_dashboard_has_every_metric_of_the_server() -> None:
    shown = {
        metric(node.name)
        for panel in PANELS
        for expr in queries(panel)
        for node in nodes(promql.parse(expr))
        if isinstance(node, promql.VectorSelector)
    }
    assert set(METRICS) <= shown


def test_vllm_has_every_metric_of_the_dashboard() -> None:
    if (vllm := importlib.util.find_spec("vllm")) is None or vllm.origin is None:
        pytest.skip("vLLM is not installed")
    source = (Path(vllm.origin).parent / "v1/metrics/loggers.py").read_text()
    used = {re.sub(r"_total$", "", metric(name)) for name in re.findall(r"vllm:\w+", json.dumps(DASHBOARD))}
    assert used
    assert {name for name in used if f'"{name}"' not in source} == set()


@each_panel
def test_panel_has_a_description_a_unit_and_a_datasource(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"].get("unit") or panel["options"]["yAxis"]["unit"]
    for part in (panel, *panel["targets"]):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)


def test_panels_do_not_overlap() -> None:
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = set(product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_dashboard_has_the_variables_datasource_model_instance_and_strategy() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    kinds = {name: variable["type"] for name, variable in variables.items()}
    assert kinds == {"datasource": "datasource", "model": "query", "instance": "query", "strategy": "query"}
    for name in ("model", "instance", "strategy"):
        query = variables[name]["query"]["query"]
        selected, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
        (selector,) = nodes(promql.parse(selected.replace("$model", ".*")))
        assert label == name in {*METRICS[metric(selector.name)], *FROM_PROMETHEUS}


@each_panel
def test_every_query_is_of_the_selected_instances(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        names = re.findall(r"(?:cogitate_|vllm:)\w+", target["expr"])
        assert names and target["expr"].count('instance=~"$instance"') == len(names)


def test_grafana_provisions_its_datasource_and_dashboards() -> None:
    (source,) = load_yaml(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    (provider,) = load_yaml(DEPLOY / "grafana/provisioning/dashboards/cogitate.yml")["providers"]
    grafana = COMPOSE["services"]["grafana"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    mounts = dict(volume.split(":")[1::-1] for volume in grafana["volumes"] if volume.startswith("./"))
    assert source["url"] == "http://prometheus:9090"
    assert DASHBOARD["templating"]["list"][0]["current"]["value"] == source["uid"]
    assert provider["options"]["path"] == str(home.parent)
    assert (ROOT / mounts[str(home.parent)] / home.name).is_file()
    assert (ROOT / mounts["/etc/grafana/provisioning"] / "datasources").is_dir()


def test_prometheus_scrapes_the_server_with_a_key() -> None:
    scrape = SCRAPES["cogitate"]
    assert scrape["static_configs"] == [{"targets": ["cogitate:8000"]}]
    assert scrape["authorization"] == {"credentials_file": "/run/secrets/prometheus_key"}
    shared = set(COMPOSE["services"]["prometheus"]["networks"]) & set(COMPOSE["services"]["cogitate"]["networks"])
    assert shared == {"metrics"}


def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    promtool = find_program("promtool", "Debian: prometheus")
    shutil.copytree(DEPLOY / "prometheus", tmp_path, dirs_exist_ok=True)
    (tmp_path / "prometheus_key").write_text("key")
    config = tmp_path / "prometheus.yml"
    config.write_text(config.read_text().replace("/run/secrets", str(tmp_path)))
    output = run(promtool, "check", "config", "--lint=all", "--lint-fatal", config)
    assert f"{len(ALERTS)} rules found" in output


def test_expected_alerts_have_the_descriptions_of_the_rules() -> None:
    cases = load_yaml(ALERT_CASES)["tests"][-1]["alert_rule_test"]
    expected = {case["alertname"]: case["exp_alerts"][0]["exp_annotations"]["description"] for case in cases}
    assert expected == {rule["alert"]: rule["annotations"]["description"] for rule in ALERTS}


def test_alerts_fire_on_faults_only() -> None:
    run(find_program("promtool", "Debian: prometheus"), "test", "rules", ALERT_CASES)


def series() -> Iterator[dict[str, str]]:
    """Input series of promtool: every metric with every value of its labels, and those of vLLM."""
    vllm: dict[str, dict[str, tuple[str, ...]]] = {
        name: {"engine": ("0",)} for name in sorted(set(re.findall(r"vllm:\w+", json.dumps(DASHBOARD))))
    }
    for name, labels in (METRICS | vllm).items():
        for values in product(*labels.values()):
            for suffix, le in [("_bucket", "1"), ("_bucket", "+Inf"), ("_sum", None), ("_count", None)]:
                if metric(name) not in HISTOGRAMS:
                    suffix, le = "", None
                elif metric(name) != name:
                    suffix, le = name.removeprefix(metric(name)), "+Inf"
                pairs = dict(zip(labels, values, strict=True)) | {"instance": "a"} | ({"le": le} if le else {})
                inside = ",".join(f'{label}="{value}"' for label, value in pairs.items())
                yield {"series": f"{metric(name)}{suffix}{{{inside}}}", "values": "1+60x10"}


def test_every_query_of_the_dashboard_returns_a_result(tmp_path: Path) -> None:
    promtool = find_program("promtool", "Debian: prometheus")
    lines = {entry["series"]: entry for entry in series()}
    checks = [
        {"expr": f"count({expr}) > bool 0", "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": 1}]}
        for panel in PANELS
        for expr in queries(panel)
    ]
    test = {"interval": "1m", "input_series": list(lines.values()), "promql_expr_test": checks}
    (tmp_path / "dashboard.yml").write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [test]}))
    run(promtool, "test", "rules", tmp_path / "dashboard.yml")
