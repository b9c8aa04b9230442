"""A request that comes again byte for byte is answered by its connection, as it would be by the whole server."""

import json
import re
import socket
import time
from contextlib import closing

import pytest

from cogitate.server.auth.keys import new_key
from cogitate.server.http.encores import LONGEST, MOST
from tests.fakes.live_server import Live, live
from tests.fakes.scripted import ScriptedEngine
from tests.resilience.server_process import HELLO

pytestmark = pytest.mark.live
VOTE = HELLO | {"strategy": {"name": "self_consistency", "n": 2}}


def request(body: dict[str, object] = VOTE, *headers: str, path: str = "/v1/chat/completions") -> bytes:
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content


def said(connection: socket.socket, *parts: bytes, pause: float = 0.003) -> tuple[str, dict]:
    """The head and the body of the answer to a request that is sent in parts."""
    for part in parts:
        connection.sendall(part)
        time.sleep(pause)
    got = b""
    while not (found := re.search(rb"content-length: (\d+).*?\r\n\r\n", got, re.S)) or (
        len(got) < found.end() + int(found[1])
    ):
        piece = connection.recv(65536)
        assert piece, got
        got += piece
    return got[: found.end()].decode(), json.loads(got[found.end() :])


def connected(server: Live) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 10)


def counted(server: Live, name: str) -> float:
    text = server.service.metrics.exposition().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


@pytest.mark.parametrize("split", [None, 20, -30, -len(json.dumps(VOTE))])
def test_an_encore_is_the_answer_with_names_of_its_own(split):
    parts = (request(),) if split is None else (request()[:split], request()[split:])
    with live(ScriptedEngine(["\\boxed{1}"])) as server, closing(connected(server)) as connection:
        heads, answers = zip(*(said(connection, *parts) for _ in range(4)), strict=True)
        assert len(server.encores.kept) == 1 and counted(server, 'cogitate_cache_total{result="hit"}') == 3
        time.sleep(1.1 if split is None else 0)
        later, again = said(connection, *parts)
        assert counted(server, "cogitate_requests_total") == 5
    assert len({answer["id"] for answer in (*answers, again)}) == 5
    names = [re.search(r"x-request-id: (\w+)", head)[1] for head in (*heads, later)]
    assert [answer["cogitate"]["trace_id"] for answer in (*answers, again)] == names and len(set(names)) == 5
    assert again["created"] >= answers[-1]["created"] + (split is None) and "x-cache: hit" in later
    assert [answer["cogitate"]["cache"] for answer in answers] == ["miss", "hit", "hit", "hit"]
    alike = [a | {"id": "", "created": 0, "cogitate": a["cogitate"] | {"trace_id": ""}} for a in (*answers[1:], again)]
    assert all(one == alike[0] for one in alike)
    assert sorted(line.split(":")[0] for line in heads[1].splitlines()) == sorted(
        line.split(":")[0] for line in heads[3].splitlines()
    )


def test_a_name_that_the_client_gave_stays():
    named = request(VOTE, "X-Request-Id: mine")
    with live(ScriptedEngine(["\\boxed{1}"])) as server, closing(connected(server)) as connection:
        for _ in range(4):
            head, answer = said(connection, named)
        assert "x-request-id: mine" in head and answer["cogitate"]["trace_id"] == "mine"
        assert server.encores.kept


def test_what_a_model_says_is_no_pattern():
    text = "100 %(name)b of %d %% is \\boxed{1}"
    with live(ScriptedEngine([text])) as server, closing(connected(server)) as connection:
        answers = [said(connection, request())[1] for _ in range(3)]
    assert [answer["choices"][0]["message"]["content"] for answer in answers] == [text] * 3


def test_a_connection_waits_as_long_behind_each_answer_and_no_longer():
    with live(ScriptedEngine(["\\boxed{1}"]), keep_alive=0.3) as server, closing(connected(server)) as connection:
        for _ in range(6):
            said(connection, request(), pause=0.1)
        began = time.monotonic()
        assert connection.recv(1) == b"" and 0.15 < time.monotonic() - began < 1


def test_what_is_no_longer_cached_is_found_anew():
    engine = ScriptedEngine(["\\boxed{1}"])
    with live(engine) as server, closing(connected(server)) as connection:
        for _ in range(3):
            said(connection, request())
        before = len(engine.calls)
        server.service.cache._entries.clear()
        assert said(connection, request())[1]["cogitate"]["cache"] == "miss" and len(engine.calls) > before


@pytest.mark.parametrize(
    "ask",
    [
        request(VOTE, "Connection: close"),
        request(VOTE, "Idempotency-Key: k"),
        request(VOTE | {"stream": True}),
        request(VOTE | {"cache": "refresh"}),
        request(VOTE | {"cache": "no-store"}),
        request(VOTE | {"messages": [{"role": "user", "content": "x" * LONGEST}]}),
        request(HELLO),
    ],
)
def test_what_must_be_looked_at_each_time_is(ask):
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        for _ in range(3):
            with closing(connected(server)) as connection:
                connection.sendall(ask)
                assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert not server.encores.kept


def test_a_key_that_is_taken_away_opens_nothing_any_more(tmp_path):
    file = tmp_path / "keys"
    ask = request(VOTE, f"Authorization: Bearer {new_key(file, 'a')}")
    with live(ScriptedEngine(["\\boxed{1}"]), api_keys_file=file) as server, closing(connected(server)) as connection:
        for _ in range(3):
            said(connection, ask)
        assert server.encores.kept and not any(b"cog-" in name for name in server.encores.kept)
        file.write_text("")
        new_key(file, "b")
        assert said(connection, ask)[0].startswith("HTTP/1.1 401")


def test_a_key_with_a_rate_is_counted_each_time(tmp_path):
    file = tmp_path / "keys"
    key = new_key(file, "a")
    file.write_text(file.read_text().replace("\n", " requests_per_minute=4\n"))
    ask = request(VOTE, f"Authorization: Bearer {key}")
    with live(ScriptedEngine(["\\boxed{1}"]), api_keys_file=file) as server, closing(connected(server)) as connection:
        statuses = [said(connection, ask)[0].split()[1] for _ in range(6)]
        assert statuses == ["200"] * 4 + ["429"] * 2 and not server.encores.kept


def test_a_server_that_takes_no_requests_says_so():
    with live(ScriptedEngine(["\\boxed{1}"])) as server, closing(connected(server)) as connection:
        for _ in range(3):
            said(connection, request())
        server.service.ready = False
        assert said(connection, request())[0].startswith("HTTP/1.1 503")


def test_a_part_that_is_held_back_is_parsed_when_the_rest_is_another():
    other = json.dumps(VOTE).replace("6*7", "7*6").encode()
    with live(ScriptedEngine(["\\boxed{1}"])) as server, closing(connected(server)) as connection:
        head = request()[: -len(other)]
        for _ in range(3):
            said(connection, head, request()[-len(other) :])
        assert said(connection, head, other)[1]["cogitate"]["cache"] == "miss"
        assert said(connection, head, other, pause=0.1)[1]["cogitate"]["cache"] == "hit"
        connection.sendall(request() * 3)
        time.sleep(0.3)
        assert connection.recv(65536).count(b"HTTP/1.1 200") == 3


def test_memory_is_bounded():
    with live(ScriptedEngine(["\\boxed{1}"])) as server, closing(connected(server)) as connection:
        for at in range(MOST + 3):
            for _ in range(2):
                said(connection, request(HELLO | {"temperature": 0, "user": str(at)}), pause=0)
        assert len(server.encores.kept) == MOST
