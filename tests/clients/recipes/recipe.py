"""A page of examples/recipes: its files and its commands, as a reader would copy them."""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.deploy import ROOT

FOLDER = ROOT / "examples/recipes"
FENCE = re.compile(r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE)
URL = "http://127.0.0.1:8000"
"""The server's address in the pages, beside NAME for its model."""
TIMEOUT_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Recipe:
    """Blocks with a title are files, and blocks of `sh` without one are a script, in the order of the page."""

    files: dict[str, str]
    script: str

    def run(self, folder: Path, programs: Path) -> str:
        """Write the files into `folder`, run the script there, and return what it prints.

        `programs`: the folder of the client's commands, which is all that PATH has before the system's own. Fails where
        a command fails. Whatever the script has left running is ended.
        """
        for name, text in self.files.items():
            (folder / name).write_text(text)
        environment = {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)}
        command = ["bash", "-euo", "pipefail", "-c", self.script]
        log = folder / "output"
        with log.open("w") as output:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                status = process.wait(TIMEOUT_SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        text = log.read_text()
        assert status == 0, text[-4000:]
        return text


def read_recipe(name: str, url: str, model: str, **replacements: str) -> Recipe:
    """Read a page, with this server and this model in place of those that it names."""
    text = (FOLDER / f"{name}.md").read_text()
    for old, new in {URL: url, "NAME": model, **replacements}.items():
        text = text.replace(old, new)
    blocks = [(match["language"], match["title"], match["text"]) for match in FENCE.finditer(text)]
    files = {title: block for _, title, block in blocks if title}
    return Recipe(files, "\n".join(block for language, title, block in blocks if language == "sh" and not title))
