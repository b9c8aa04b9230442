"""The Python files of a vLLM release, without its dependencies: from the wheel, into the user's cache."""

import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from cogitate.server.settings import user_cache

DOWNLOAD_SECONDS = 280
PIP_DOWNLOAD = (
    *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"),
    # The same files for every machine.
    *("--no-deps", "--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"),
)


def fetch_source(version: str) -> Path:
    """Return the folder that contains the release's `vllm`. The first call downloads 340 MB, and stores 50 MB."""
    folder = user_cache() / "cogitate" / f"vllm-{version}-source"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".vllm-", dir=folder.parent) as scratch:
            unpack(download(version, Path(scratch)), Path(scratch, "source"))
            Path(scratch, "source").rename(folder)
    return folder


def download(version: str, folder: Path) -> Path:
    command = [*PIP_DOWNLOAD, "--dest", str(folder), f"vllm=={version}"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
    assert process.returncode == 0, process.stderr
    (wheel,) = folder.glob("vllm-*.whl")
    return wheel


def unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.endswith(".py")])
