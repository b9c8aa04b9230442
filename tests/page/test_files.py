"""The page's files over HTTP: open without a key, with a strict policy, and free of markup made from text."""

import hashlib
import re

import httpx
import pytest

from cogitate.server.page.files import PREFIX, STATIC, load_files
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live

pytestmark = pytest.mark.live
OWN = sorted(path for path in STATIC.rglob("*") if path.is_file() and "vendor" not in path.parts)
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|new Function"
)
STYLE_OR_HANDLER = re.compile(r"<style|\sstyle=\"|\son\w+=\"", re.IGNORECASE)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"{hashlib.sha256(b'good').hexdigest()} team\n")
    with live(ScriptedEngine(["x"]), api_keys_file=keys) as running:
        yield running


def read_policy(response: httpx.Response) -> dict[str, list[str]]:
    parts = [part.split() for part in response.headers["content-security-policy"].split(";")]
    return {name: values for name, *values in parts}


@pytest.mark.parametrize("path", ["/", "/docs", *(PREFIX + name for name in load_files())])
def test_file_is_open_without_a_key_and_has_its_headers(server, path):
    response = server.http.get(server.url + path)
    assert response.status_code == 200 and response.content
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    policy = read_policy(response)
    assert policy["default-src"] == policy["frame-ancestors"] == ["'none'"]
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "https:", "http:"} & {
        each for all_ in policy.values() for each in all_
    }
    assert server.http.get(server.url + path, headers={"If-None-Match": response.headers["etag"]}).status_code == 304


def test_everything_else_needs_the_key(server):
    for path in ("/openapi.json", "/v1/models", "/v1/strategies", "/metrics", "/pages", "/page", "/docs/x"):
        assert server.http.get(server.url + path).status_code == 401, path


@pytest.mark.parametrize(
    "name", ["", "nothing.mjs", "vendor", "%2e%2e/files.py", "..%2ffiles.py", "vendor/preact/LICENSE"]
)
def test_no_other_file_is_sent(server, name):
    response = server.http.get(f"{server.url}{PREFIX}{name}")
    assert response.status_code == 404 and response.json()["error"]["type"] == "invalid_request_error"


def test_page_is_open_behind_a_prefix_too(tmp_path):
    (tmp_path / "keys").write_text("")
    settings = {"api_keys_file": tmp_path / "keys", "engine_args": {"root_path": "/models"}}
    with live(ScriptedEngine(["x"]), **settings) as running:
        statuses = [
            running.http.get(running.url + path).status_code
            for path in ("/models/health", "/models/", "/models/v1/models")
        ]
    assert statuses[2] == 401 and 401 not in statuses[:2]


def test_host_check_holds_for_the_page(server):
    assert httpx.get(server.url, headers={"Host": "evil.example"}).status_code == 421


def test_page_runs_no_inline_script_but_its_import_map(server):
    html = httpx.get(server.url).text
    inline = re.findall(r"<script(?![^>]*\ssrc=)([^>]*)>", html)
    assert inline == [' type="importmap"'] and not STYLE_OR_HANDLER.search(html)
    policy = read_policy(httpx.get(server.url))
    assert policy["script-src"][0] == "'self'" and policy["script-src"][1].startswith("'sha256-")
    assert policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["require-trusted-types-for"] == ["'script'"]


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_own_file_makes_no_markup_from_text_names_no_origin_and_is_short(path):
    text = path.read_text()
    assert not SINKS.search(text)
    assert not [found for found in re.findall(r"https?://[^\s\"'<)]+", text) if found != "http://www.w3.org/2000/svg"]
    assert text.count("\n") <= 250
