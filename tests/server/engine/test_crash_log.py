"""The fatal exception is found in logs as vLLM writes them."""

from pathlib import Path

import pytest

from cogitate.server.engine.crash_log import MAX_LOG_BYTES, MAX_MESSAGE_CHARACTERS, find_fatal_error

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
    ("lines", "message"),
    [
        (HANDLED + WORKER + PARENT, "Available memory (7.98/12.84 GiB) is less than desired. To resolve: reduce it."),
        (DEATH, "CUDA out of memory."),
        (HANDLED, ""),
        (WORKER[:-1], ""),
        ([], ""),
    ],
)
def test_the_message_is_that_of_the_first_process_to_fail(tmp_path: Path, lines: list[str], message: str) -> None:
    log = tmp_path / "engine.log"
    log.write_text("\n".join(lines))
    assert find_fatal_error(log) == message


def test_a_missing_log_has_no_fatal_error(tmp_path: Path) -> None:
    assert find_fatal_error(tmp_path / "none.log") == ""


def test_a_long_log_with_invalid_utf8_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"\xff\n" * MAX_LOG_BYTES + "\n".join(WORKER[:-1]).encode() + b"\nKeyError: " + b"x" * 9999)
    assert find_fatal_error(log) == "x" * MAX_MESSAGE_CHARACTERS
