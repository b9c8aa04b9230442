"""The documentation site: it builds without a warning, its links work, and it loads nothing from another origin."""

import contextlib
import functools
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from cogitate.strategies import STRATEGIES
from tests.deploy import DEPLOY, ROOT
from tests.fakes.live_server import eventually
from tests.page.tools import open_browser

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}
"""Attributes whose address a browser loads by itself."""


class Page(HTMLParser):
    """The addresses that a page links to, and those that a browser loads with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "a":
            self.links.append(found.get("href") or "")
        elif tag == "link" and found.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(found.get("href") or "")
        elif address := found.get(LOADED.get(tag, "")):
            self.loaded.append(address)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port until the context ends; yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def build(config: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    # Without --quiet, under which --strict counts no warnings and the status is always 0.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", config, "-d", folder]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(DEPLOY / "docs/mkdocs.yml", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_document_of_the_repository_is_a_page(site: Path) -> None:
    command = ["git", "ls-files", "*.md"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    documents = [Path(name) for name in names if not name.startswith(".")]
    expected = [path.parent if path.name == "README.md" else path.with_suffix("") for path in documents]
    assert [str(path) for path in expected if not (site / path / "index.html").is_file()] == []
    assert len(expected) > 20


def test_every_page_is_in_the_navigation_of_the_home_page(site: Path, pages: dict[Path, Page]) -> None:
    linked = {(site / unquote(urlsplit(address).path)).resolve() for address in pages[site / "index.html"].links}
    linked |= {path / "index.html" for path in linked}
    reached = {path for path in pages if path.resolve() in linked}
    for path in reached.copy():  # a tab's pages are listed on each of them
        found = [path.parent.joinpath(unquote(urlsplit(address).path), "index.html") for address in pages[path].links]
        reached |= {target.resolve() for target in found}
    assert {path.resolve() for path in pages} - reached == set()


def test_every_strategy_has_a_page_with_its_options_and_its_source(site: Path) -> None:
    for name in STRATEGIES:
        text = (site / "strategies" / name / "index.html").read_text()
        assert "Not when" in text and "arxiv.org/abs" in text and f"strategies/{name}.py" in text
    assert "stop_rule" in (site / "strategies/self_consistency/index.html").read_text()


def test_links_lead_to_files_of_the_site(site: Path, pages: dict[Path, Page]) -> None:
    missing, seen = [], 0
    for path, page in pages.items():
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or not parts.path:
                continue
            seen += 1
            target = path.parent / unquote(parts.path)
            if not (target / "index.html" if target.is_dir() else target).is_file():
                missing.append(f"{path.relative_to(site)}: {address}")
    assert missing == [] and seen > 500


def test_nothing_is_loaded_from_another_origin(site: Path, pages: dict[Path, Page]) -> None:
    loaded = {address for page in pages.values() for address in page.loaded}
    assert [address for address in loaded if re.match(r"(\w+:)?//", address)] == [] and len(loaded) > 10
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", styles) == [] and styles


@pytest.mark.slow
def find(page: Any, text: str) -> bool:  # noqa: ANN401 Playwright's page
    """Type a text into the search, which takes no notice of it before its index is loaded, and look for its result."""
    box = page.get_by_role("textbox", name="Search")
    box.fill("")
    box.press_sequentially(text)
    page.wait_for_timeout(500)
    return page.locator(".md-search-result__link", has_text=text).first.is_visible()


def test_search_finds_a_strategy_and_asks_no_other_origin(site: Path) -> None:
    with serve(site) as url, open_browser() as browser:
        page, requests = browser.new_page(), []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{url}/")
        eventually(lambda: find(page, "particle_filter"), 60)
    assert len(requests) > 5 and [each for each in requests if not each.startswith(url)] == []


def test_link_to_a_missing_file_fails_the_build(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "docs", tmp_path / "deploy/docs", ignore=shutil.ignore_patterns("__pycache__"))
    texts = {"README.md": "[a](SECURITY.md)", "strategies/README.md": "# S\n\n", "SECURITY.md": "# S"}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    config, folder = tmp_path / "deploy/docs/mkdocs.yml", tmp_path / "site"
    assert build(config, folder).returncode == 0
    (tmp_path / "README.md").write_text("[a](SECURE.md) and [a folder](strategies)")
    done = build(config, folder)
    assert done.returncode == 1 and "SECURE.md" in done.stderr and "folder" not in done.stderr
