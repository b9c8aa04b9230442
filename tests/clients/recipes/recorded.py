"""The requests that clients send when their recipe is run: recorded.json. Written by write_recorded.py."""

import json
import socket
from pathlib import Path
from typing import Any

from tests.clients.recipes.recipe import read_recipe
from tests.clients.recipes.recorder import record

RECORDED = Path(__file__).with_name("recorded.json")
PROXY = "127.0.0.1:4000"
"""The address of a client that is a server itself."""


def read_recorded() -> dict[str, list[dict[str, Any]]]:
    """Return the recorded requests by the name of the recipe."""
    recorded: dict[str, list[dict[str, Any]]] = json.loads(RECORDED.read_text())
    return recorded


def run_recipe(name: str, url: str, folder: Path, programs: Path) -> tuple[str, list[dict[str, Any]]]:
    """Run a recipe against the server at `url`; returns what it prints and what was sent, in a stable order."""
    with socket.socket() as free, record(url) as recorder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        recipe = read_recipe(
            name, recorder.url, "scripted", **{PROXY: f"127.0.0.1:{port}", "--port 4000": f"--port {port}"}
        )
        output = recipe.run(folder, programs)
        return output, sorted(recorder.requests, key=json.dumps)
