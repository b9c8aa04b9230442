"""The rig itself: a server that is started, broken, watched and ended."""

import httpx
import pytest

from tests.fakes.upstream import Script
from tests.resilience.__main__ import Collected
from tests.resilience.load import Load, measured
from tests.resilience.report import Row, Told, table
from tests.resilience.server_process import Probe, Server, eventually, metric


def test_a_scripted_server_is_asked_watched_and_broken():
    with Server() as server, Probe(server) as probe:
        assert server.ask(strategy="self_consistency").json()["cogitate"]["answer"] == "42"
        before = server.turn(hang=True)
        with httpx.Client(timeout=0.3) as client:
            try:
                client.post(server.url + "/v1/chat/completions", json={"model": "scripted", "messages": []})
                server.ask(timeout=0.3, strategy="self_consistency", cache="no-store")
            except httpx.ReadTimeout:
                pass
        assert server.counters["started"] > before["started"]
        assert eventually(lambda: server.busy == 0) < 1000
        server.turn(hang=False)
        server.healthy()
        with Load(server, users=2, every=0.05) as load, measured(load) as span:
            span.last(server, 0.3, lambda: server.get("/metrics"), again=0.2)
        assert (
            metric(
                server.get("/metrics").text, 'cogitate_requests_total{endpoint="/metrics",status="2xx",strategy="none"}'
            )
            == 2
        )
    assert {each.status for each in span.asked} == {200} and 2 <= len(span.asked) <= 14 and len(span.acts) == 2
    assert span.search <= span.p99 and span.memory > 10 and span.processor > 0
    assert probe.times and probe.failures == 0 and Script().fault == "none"


def test_the_table_is_in_the_order_of_the_list():
    rows = [Row(f"T{number}", "w", "m", "b", number != 9) for number in (31, 4, 9)]
    lines = table(rows).splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["T4", "T9", "T31"] and "NOT MET" in lines[3]


def test_rows_that_are_asked_anew_take_the_place_of_what_was_told_of_them():
    first = Told([Row("T4", "b", "3 ms", "2 ms", False), Row("T31", "a", "1 ms", "2 ms", True)], {"T31": 9, "T4": 60})
    assert Told.by(str(first)) == first
    second = Told.by(str(first)).renewed([Row("T4", "b", "1 ms", "2 ms", True)], {"T4": 30})
    assert str(second).startswith("2 figures, 0 not met, in 1 minutes.\n\nAsked anew in a later run (`--renew`): T4.")
    assert Told.by(str(second)) == second and [row.name for row in second.rows] == ["T4", "T31"]


def test_the_table_is_written_as_the_tests_end(tmp_path):
    collected, said = Collected(tmp_path / "faults.md", planned=3), []
    for at, name in ((1, "test_t9_a"), (2, "test_t4_b"), (3, "test_t4_c")):
        row = Row(f"T{name[6]}", "w", f"{at} ms", "2 ms", at < 3)
        told = [("row", row)] if at != 2 else []
        for when in ("call", "teardown"):
            outcome = "failed" if when == "call" and at > 1 else "passed"
            path = "tests/resilience/x.py"
            collected.pytest_runtest_logreport(
                pytest.TestReport(
                    f"{path}::{name}", (path, 1, name), {}, outcome, None, when, user_properties=told, duration=at
                )
            )
        said.append((tmp_path / "faults.md").read_text())
    assert "1 figures" in said[0] and "ended early, after 0 of 3" in said[0] and "T9 1." in said[0]
    assert [line.split("|")[3:6:2] for line in said[2].splitlines() if line.startswith("| T4 ")] == [
        [" failed ", " NOT MET "],
        [" 3 ms ", " NOT MET "],
    ]
    assert "2 not met" in said[2] and "T4 7, T9 2." in said[2]
