"""The WebSocket path is served behind the checks of Host, Origin and API key; other offers to upgrade are ignored."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
import websockets
from fastapi import FastAPI, WebSocket
from websockets.sync.client import connect

from cogitate.server.api.engine_paths import is_open_with_keys
from cogitate.server.auth.keys import Keys, create_key
from cogitate.server.http.authentication import Authentication
from cogitate.server.http.server import build_config
from cogitate.server.http.trusted_host import LOOPBACK_NAMES, TrustedHost

pytestmark = pytest.mark.live


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


def build_app(keys: Keys | None) -> TrustedHost:
    app = FastAPI()
    app.add_api_websocket_route("/v1/realtime", echo)
    app.add_api_websocket_route("/v1/other", echo)
    return TrustedHost(Authentication(app, keys), LOOPBACK_NAMES)


def serve(keys: Keys | None = None) -> Iterator[str]:
    """Yield the address of a server of the echo."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(build_config(build_app(keys)))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    yield from serve()


@pytest.fixture
def url_with_keys(tmp_path: Path) -> Iterator[tuple[str, str]]:
    key = create_key(tmp_path / "keys", "team")
    for url in serve(Keys(tmp_path / "keys")):
        yield url, key


def refusal(url: str, **options: object) -> int:
    """Return the status with which a WebSocket is refused."""
    with pytest.raises(websockets.InvalidStatus) as refused, connect(url, **options):
        pass
    return refused.value.response.status_code


@pytest.mark.parametrize("query", ["", "?model=m"])
def test_messages_go_both_ways(url, query):
    with connect(f"{url}/v1/realtime{query}") as websocket:
        for text in ("one", "x" * 100_000):
            websocket.send(text)
            assert websocket.recv() == text


def test_pages_of_another_host_are_refused(url):
    assert refusal(f"{url}/v1/realtime", origin="https://evil.example") == 403
    assert refusal(f"{url}/v1/realtime", additional_headers={"Host": "evil.example"}) in (400, 421)
    with connect(f"{url}/v1/realtime", origin="http://localhost:3000") as websocket:
        websocket.send("mine")
        assert websocket.recv() == "mine"


def test_keys_are_asked_for(url_with_keys):
    url, key = url_with_keys
    assert refusal(f"{url}/v1/realtime") == 401
    with connect(f"{url}/v1/realtime", additional_headers={"Authorization": f"Bearer {key}"}) as websocket:
        websocket.send("with a key")
        assert websocket.recv() == "with a key"


def test_path_is_refused_where_keys_divide_users():
    assert not is_open_with_keys("/v1/realtime")


def test_offer_to_upgrade_elsewhere_is_answered_over_http(url):
    assert refusal(f"{url}/v1/other") == 404
