"""Visits the page in Chromium: every request is recorded, and every error of the page fails the test."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

WIDE, NARROW = 1280, 390
HEIGHT = 900
KEY = "cog-right"


@dataclass(slots=True)
class Visitor:
    """A browser context of its own, as a tab has it, and its page."""

    context: "BrowserContext"
    page: "Page"
    url: str
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def nodes(self) -> "Locator":
        return self.page.locator("[data-decode]")

    @property
    def state(self) -> str:
        return self.page.locator(".head .state").first.inner_text()

    def open(self, view: str = "") -> None:
        self.page.goto(f"{self.url}/{view}")

    def enter_key(self) -> None:
        self.page.get_by_label("API key", exact=True).fill(KEY)
        self.page.get_by_role("button", name="Keep for this tab").click()

    def wait_for_nodes(self, count: int) -> None:
        self.page.wait_for_function("n => document.querySelectorAll('[data-decode]').length >= n", arg=count)

    def measure_overflow(self) -> int:
        """Return the pixels by which the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@contextlib.contextmanager
def visit(browser: "Browser", url: str, *, width: int = WIDE, key: bool = True, **options: Any) -> Iterator[Visitor]:
    """Open a tab until the context ends. `key`: whether the tab has the API key already."""
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, **options)
    context.set_default_timeout(20_000)
    if key:
        context.add_init_script(f"sessionStorage.setItem('cogitate.key', '{KEY}')")
    visitor = Visitor(context, context.new_page(), url)
    context.on("request", lambda request: visitor.requests.append(request.url))
    visitor.page.on("pageerror", lambda error: visitor.problems.append(str(error)))
    visitor.page.on("console", lambda message: _record(visitor, message.type, message.text))
    yield visitor
    context.close()
    foreign = [each for each in visitor.requests if not each.startswith((url, "data:", "blob:", "file:"))]
    assert not foreign, foreign
    assert not visitor.problems, visitor.problems


def _record(visitor: Visitor, kind: str, text: str) -> None:
    """Record errors and refusals of the policy, but no response that the server meant to give."""
    if kind in ("error", "warning") and "Failed to load resource" not in text:
        visitor.problems.append(text)
