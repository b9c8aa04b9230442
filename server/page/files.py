"""The page's files and their headers, read once: a closed set, so that no path leaves the folder."""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PREFIX = "/page/"
"""Path of the files that the two documents load."""
OPEN_PATHS = frozenset({"/", "/docs"})
"""Paths of the documents."""
STATIC = Path(__file__).with_name("static")
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Files of other kinds, which are licences, are packed and not sent."""

NOTHING_ELSE = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    f"{NOTHING_ELSE}; img-src 'self'; style-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Text of a model is hostile: trusted types turn every sink of markup, such as innerHTML, into an error."""
DOCS_POLICY = f"{NOTHING_ELSE}; img-src 'self' data:; style-src 'self'; script-src 'self'"
FILE_POLICY = "default-src 'none'; frame-ancestors 'none'"
INLINE_SCRIPT = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, as it is sent."""

    content: bytes
    headers: dict[str, str]
    etag: str


@cache
def load_files() -> dict[str, StaticFile]:
    """Return the files by their name, which is the path in the folder."""
    paths = sorted(path for path in STATIC.rglob("*") if path.suffix in MEDIA_TYPES)
    return {path.relative_to(STATIC).as_posix(): load_file(path) for path in paths}


def load_file(path: Path) -> StaticFile:
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "Content-Type": MEDIA_TYPES[path.suffix],
        "Content-Security-Policy": find_policy(path.name, content),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-cache",  # a later version of the server is noticed at once; unchanged files are a 304
        "ETag": etag,
    }
    return StaticFile(content, headers, etag)


def find_policy(name: str, content: bytes) -> str:
    """Return the Content-Security-Policy of a file. The page's import map, its only inline script, is named by hash."""
    if name == "docs.html":
        return DOCS_POLICY
    if name != "index.html":
        return FILE_POLICY
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in INLINE_SCRIPT.findall(content)]
    return f"{PAGE_POLICY}; script-src 'self' " + " ".join(f"'sha256-{each}'" for each in hashes)


def is_open(path: str) -> bool:
    """Return whether a path is one of the page's, which needs no API key."""
    return path in OPEN_PATHS or path.startswith(PREFIX)
