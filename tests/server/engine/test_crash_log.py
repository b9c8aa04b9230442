"""Why an engine ended, found in logs as vLLM writes them."""

from pathlib import Path

import pytest

from cogitate.server.engine.crash_log import LONGEST, MOST, last_words

HANDLED = [
    "(Worker pid=12) ERROR 11-26 14:36:11 [__init__.py:63] Failed to load plugin other",
    "(Worker pid=12) ERROR 11-26 14:36:11 [__init__.py:63] Traceback (most recent call last):",
    "(Worker pid=12) ERROR 11-26 14:36:11 [__init__.py:63] ImportError: no such plugin",
]
AT = "(VllmWorker-0 pid=97) ERROR 11-26 14:36:39 [multiproc_executor.py:953]"
WORKER = [
    f"{AT} WorkerProc failed to start.",
    f"{AT} Traceback (most recent call last):",
    f'{AT}   File "cpu_worker.py", line 83, in __init__',
    f"{AT}     raise ValueError(",
    f"{AT} ValueError: Available memory (7.98/12.84 GiB) is less than desired.  To resolve: reduce it.",
]
PARENT = [
    "(EngineCore pid=43) ERROR 11-26 14:36:41 [core.py:1510] EngineCore failed to start.",
    "(EngineCore pid=43) ERROR 11-26 14:36:41 [core.py:1510] Exception: WorkerProc initialization failed due to an "
    "exception in a background process. See stack trace for root cause.",
    "RuntimeError: Engine core initialization failed.",
]
DEATH = [
    "(EngineCore pid=43) ERROR 11-26 14:36:41 [core.py:1512] EngineCore encountered a fatal error.",
    "(EngineCore pid=43) ERROR 11-26 14:36:41 [core.py:1512] torch.OutOfMemoryError: CUDA out of memory.",
]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (HANDLED + WORKER + PARENT, "Available memory (7.98/12.84 GiB) is less than desired. To resolve: reduce it."),
        (DEATH, "CUDA out of memory."),
        (HANDLED, ""),
        (WORKER[:-1], ""),
        ([], ""),
    ],
)
def test_the_first_process_that_failed_says_why(tmp_path: Path, lines: list[str], words: str) -> None:
    log = tmp_path / "engine.log"
    log.write_text("\n".join(lines))
    assert last_words(log) == words


def test_without_a_log_there_are_none(tmp_path: Path) -> None:
    assert last_words(tmp_path / "none.log") == ""


def test_bytes_that_are_no_text_and_a_log_of_any_length_are_read(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"\xff\n" * MOST + "\n".join(WORKER[:-1]).encode() + b"\nKeyError: " + b"x" * 9999)
    assert last_words(log) == "x" * LONGEST
