"""Writes recorded.json: runs each recipe with its client. python -m tests.clients.recipes.write_recorded"""

import json
import tempfile
from pathlib import Path

from tests.clients.fake_server import run_fake_server
from tests.clients.recipes.environment import REQUIREMENTS, install
from tests.clients.recipes.recorded import RECORDED, run_recipe


def main() -> None:
    recorded = {}
    for name in sorted(path.stem for path in REQUIREMENTS.glob("*.txt")):
        with run_fake_server() as server, tempfile.TemporaryDirectory() as folder:
            output, recorded[name] = run_recipe(name, server.url, Path(folder), install(name))
        print(output)
    RECORDED.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
