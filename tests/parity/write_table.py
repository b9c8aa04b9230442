"""Writes the table of vLLM's paths, fields and flags under this server: python -m tests.parity.write_table."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import httpx

from cogitate.server.api.routers import PASSED_ON
from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.fakes.real_engine import BorrowedBackend, real_engine
from tests.parity.bodies import KINDS
from tests.parity.servers import serve_all
from tests.parity.walk import Row, walk_fields, walk_flags, walk_paths

FILE = Path(__file__).resolve().parents[2] / "deploy" / "results" / "vllm.md"
HEAD = f"""# Everything that `vllm serve` does, and how it is under `cogitate serve`

Written by `python -m tests.parity.write_table`: vLLM's own server and ours over one engine (vLLM 0.32 on a CPU,
{DEMO_MODEL_NAME}); `tests/parity/test_vllm_parity.py` walks again and compares. Under `vllm serve` with our plugin, all
that asks for no strategy is vLLM's own code.

**same**: for a path, vLLM's own handler; for a field, the same answer to the same body, or the same refusal; for a
flag, vLLM's own code honours it. *With keys*: where `--api-keys-file` divides users.

The WebSocket `/v1/realtime`, which vLLM has for models that transcribe live, is passed on likewise: the same without
keys, and refused with keys, since it has no limits by key. `tests/server/http/test_websocket.py` has no such model.
"""


async def measure(engine: BorrowedBackend) -> str:
    """Walk over an engine. Returns the table."""
    async with serve_all(engine) as servers, httpx.AsyncClient(timeout=120) as client:
        fields = await walk_fields(client, (servers.ours, servers.vllms), servers.keyed, servers.key)
        apps = servers.vllm_app, servers.our_app
        paths = await walk_paths(client, servers.keyed, servers.key, apps, PASSED_ON)
    parts = [HEAD, "## Paths\n", *render(paths, "method and path")]
    for kind in KINDS:
        rows = [row for each, row in fields if each is kind]
        parts += [f"\n## Fields of {kind.path}\n", *render(rows, "field")]
    flags = list(walk_flags())
    parts += ["\n## Flags of the API server\n", "| flag | |", "|---|---|"]
    parts += [f"| `{row.name}` | {row.verdict} |" for row in flags]
    return "\n".join(parts) + "\n"


def render(rows: Sequence[Row], title: str) -> Iterable[str]:
    yield f"| {title} | without keys | with keys |"
    yield "|---|---|---|"
    for row in rows:
        yield f"| `{row.name}` | {row.verdict} | {row.with_keys} |"


async def main() -> None:
    async with real_engine() as engine:
        FILE.write_text(await measure(engine), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
