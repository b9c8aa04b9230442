"""Node, as it comes with Playwright's wheel, and Debian's Chromium. Tests are skipped where one is missing."""

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
"""Chromium asks for nothing of its own accord, and runs as root in a container."""


def find_node() -> str:
    """Return Node's path. Skips the test without Playwright's wheel."""
    spec = importlib.util.find_spec("playwright")
    if spec is None or spec.origin is None:
        pytest.skip("playwright is not installed: pip install -r deploy/requirements/dev.txt")
    return str(Path(spec.origin).with_name("driver") / "node")


@contextlib.contextmanager
def open_browser() -> Iterator["Browser"]:
    """Run a browser until the context ends. Skips the test where there is none."""
    find_node()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        except Error as error:  # such as the package of Ubuntu, which needs snap
            pytest.skip(f"{chromium} does not start: {error.message[:200]}")
        yield browser
        browser.close()
