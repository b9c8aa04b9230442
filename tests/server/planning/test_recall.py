"""A repeat is planned from memory, and never from another's."""

import time

import pytest

from cogitate.server.auth.keys import new_key
from cogitate.server.planning.recall import LONGEST, MOST
from tests.fakes.live_server import live
from tests.fakes.scripted import ScriptedEngine

pytestmark = pytest.mark.live


def test_a_repeat_is_the_same_request_with_names_of_its_own():
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        vote = {"name": "self_consistency", "n": 2}
        first, again = (server.ask(strategy=vote, headers={"X-Request-Id": name}).json() for name in "ab")
        assert len(server.service.recall.kept) == 1
        assert first["id"] != again["id"] and again["cogitate"]["trace_id"] == "b"
        assert first["choices"] == again["choices"] and again["cogitate"]["cache"] == "hit"


def test_a_repeat_has_all_of_its_seconds():
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        hurried = {"strategy": "self_consistency", "budget": {"seconds": 0.2}, "cache": "refresh"}
        first = server.ask(**hurried).json()
        time.sleep(0.3)
        again = server.ask(**hurried).json()
        assert len(server.service.recall.kept) == 1
        assert first["cogitate"]["stopped"] == again["cogitate"]["stopped"] != "deadline"


def test_a_header_that_says_something_of_the_request_is_heard_each_time():
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        plain = server.ask(temperature=0)
        scaled = server.ask(temperature=0, headers={"X-ITS-Budget": "3"})
        again = server.ask(temperature=0)
        assert "cogitate" not in plain.json() and scaled.json()["cogitate"]["candidates"] == 3
        assert "cogitate" not in again.json()
        assert server.ask(temperature=0, headers={"X-ITS-Endpoint": "http://x"}).status_code == 400


def test_tenants_and_kinds_of_request_share_no_plan(tmp_path):
    keys = [new_key(tmp_path / "keys", tenant) for tenant in "ab"]
    with live(ScriptedEngine(["\\boxed{1}"]), api_keys_file=tmp_path / "keys") as server:
        for key in keys:
            server.ask(strategy="self_consistency", headers={"Authorization": f"Bearer {key}"})
        assert len(server.service.recall.kept) == 2 and len(server.engine.calls) == 8


def test_memory_is_bounded():
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        kept = server.service.recall.kept
        server.ask(temperature=0, user="long", messages=[{"role": "user", "content": "x" * LONGEST}])
        server.ask(messages=[{"role": "user", "content": "not to be cached, so not to be recalled"}])
        assert not kept
        for at in range(MOST + 5):
            server.ask(temperature=0, user=str(at))
        assert len(kept) == MOST
