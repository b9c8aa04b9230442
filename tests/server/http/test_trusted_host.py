"""Pages in a browser on this machine may not use the server behind their user's back."""

import json

import httpx
import pytest

from cogitate.server.http.trusted_host import named, names_of
from tests.fakes.live_server import HELLO, live
from tests.fakes.scripted import ScriptedEngine

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine(["x"])) as started:
        yield started


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "a/?x=", "@", "[::2]"])
def test_a_name_that_is_not_ours_is_not_answered(server, host):
    for path in ("/v1/models", "/health/ready", "/"):
        assert httpx.get(f"{server.url}{path}", headers={"Host": host}).status_code in (400, 421)
    assert server.ask(headers={"Host": host}).status_code in (400, 421) and not server.engine.calls


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST:8000", "[::1]:8000", "127.0.0.1:1"])
def test_names_of_this_machine_are(server, host):
    assert httpx.get(f"{server.url}/health/live", headers={"Host": host}).status_code == 200


def test_a_proxy_in_front_may_have_a_name_of_its_own():
    with live(ScriptedEngine(["x"]), allowed_host="models.Example, other") as server:
        for host, status in (("models.example", 200), ("other:80", 200), ("evil.example", 421)):
            assert httpx.get(f"{server.url}/health/live", headers={"Host": host}).status_code == status


def test_a_server_that_others_reach_by_its_name_answers_to_any():
    assert names_of("0.0.0.0", ()) is None and b"localhost" in names_of("127.0.0.1", ())


def test_a_form_or_a_text_is_no_request(server):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = httpx.post(
            f"{server.url}/v1/chat/completions", content=json.dumps(HELLO), headers={"Content-Type": kind}
        )
        assert answer.status_code == 415
    assert not server.engine.calls


def test_no_page_is_told_that_it_may_read_an_answer(server):
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("GET", "POST", "OPTIONS"):
        answer = httpx.request(method, f"{server.url}/v1/chat/completions", headers=origin)
        assert not [name for name in answer.headers if name.startswith("access-control")] and answer.status_code >= 400


def test_the_port_is_no_part_of_the_name():
    assert [named(host) for host in (b"A:1", b"[::1]", b"[::1]:80", b"a:b", b"")] == [
        b"a",
        b"[::1]",
        b"[::1]",
        b"a:b",
        b"",
    ]
