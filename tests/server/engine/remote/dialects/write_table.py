"""Writes the table of providers and modes: `python -m tests.server.engine.remote.dialects.write_table FILE`."""

import asyncio
import sys
from pathlib import Path

from tests.server.engine.remote.dialects.providers import MODES, PROVIDERS, ask, find_faults, serve_provider

HEAD = """# What upstreams of other dialects give

Recorded response shapes of each provider (`tests/server/engine/remote/dialects/providers.json`), served by a scripted
upstream and asked for through the complete server, abilities probed. ok: status 200, and the text, the finish reason,
the tool calls, the thoughts and the bill are right; what an upstream does not count is `cogitate.uncounted`. Written by
`python -m tests.server.engine.remote.dialects.write_table deploy/results/dialects.md`.
"""


async def build_rows() -> list[str]:
    rows = []
    for shape in PROVIDERS:
        async with serve_provider(shape) as (client, _):
            results = ["no" if find_faults(shape, mode, await ask(client, mode)) else "ok" for mode in MODES]
        rows.append(f"| {shape['name']} | {shape['note']} | {' | '.join(results)} |")
    return rows


def main(file: Path) -> int:
    rows = asyncio.run(build_rows())
    head = f"| provider | what is its own | {' | '.join(MODES)} |\n|---|---|{'---|' * len(MODES)}"
    file.write_text("\n".join([HEAD, head, *rows, ""]))
    return sum("| no |" in row for row in rows)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
