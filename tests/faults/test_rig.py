"""The rig itself: a server that is started, broken, watched and ended."""

import httpx

from tests.fake_upstream import Script
from tests.faults.rig import Probe, Server, eventually
from tests.faults.rows import Row, table


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
    assert probe.times and probe.failures == 0 and Script().fault == "none"


def test_the_table_is_in_the_order_of_the_list():
    rows = [Row(f"T{number}", "w", "m", "b", number != 9) for number in (31, 4, 9)]
    lines = table(rows).splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["T4", "T9", "T31"] and "NOT MET" in lines[3]
