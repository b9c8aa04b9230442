"""The server's log: text or JSON lines, with the request's id, written by a thread of its own.

What calls the logger never waits for the terminal or pipe: a reader that has stopped would stop every request.
"""

import asyncio
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from contextvars import ContextVar
from select import PIPE_BUF
from typing import Any, Literal
from weakref import finalize

from pythonjsonlogger.core import LogData
from pythonjsonlogger.orjson import OrjsonFormatter

from cogitate.server.observability.batch_thread import BatchThread
from cogitate.server.observability.safe_traceback import format_traceback

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that a task works for; a job that several requests wait for has the first one's."""
NAMES = ("cogitate", "uvicorn")
MAX_WAITING_LINES = 10_000
"""Lines that wait to be written; more are dropped, and counted."""
CLOSE_SECONDS = 1.0
"""Time for the last lines to be written when the server ends."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def log_failure(log: logging.Logger, failure: BaseException) -> None:
    """Log where an unforeseen exception was raised, with the request's id, under any configuration of logging."""
    request = REQUEST_ID.get()
    log.error("a request failed: %s (request %s)", format_traceback(failure), request, extra={"id": request})


class TextFormatter(logging.Formatter):
    """One line a record, with the time in UTC: control characters are escaped, so that no text can forge a line."""

    converter = staticmethod(time.gmtime)
    default_msec_format = "%s.%03dZ"

    def __init__(self, *, shows_pid: bool = False) -> None:
        source = "%(name)s[%(process)d]" if shows_pid else "%(name)s"
        super().__init__(f"%(asctime)s %(levelname)s {source}: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return self.default_msec_format % (super().formatTime(record, datefmt), record.msecs)

    def formatMessage(self, record: logging.LogRecord) -> str:
        line, request = super().formatMessage(record), REQUEST_ID.get()
        return CONTROL.sub(escape, line if request in line else f"{line} (request {request})")


class JsonFormatter(OrjsonFormatter):
    """One JSON object a record. A record whose message is a mapping has its fields."""

    def __init__(self, *, shows_pid: bool = False) -> None:
        names = {"levelname": "level", "name": "logger", "process": "pid"}
        fields = ["levelname", "name", *(["process"] if shows_pid else []), "message"]
        super().__init__(fields, rename_fields=names, timestamp="time")

    def add_fields(self, log_data: LogData, record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        if request := REQUEST_ID.get():
            log_data.setdefault("id", request)

    def jsonify_log_record(self, log_data: LogData) -> str:
        return CONTROL.sub(escape, super().jsonify_log_record(log_data))


class BackgroundHandler(logging.Handler):
    """Writes lines to a file descriptor in a thread, in order.

    `logging.config.dictConfig`, which vLLM calls when it builds an engine, closes the handlers of all loggers without
    removing them: a line that follows starts the thread again.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = os.dup(descriptor)  # a file object's lock may be the thread's when the process ends
        finalize(self, os.close, self._descriptor).atexit = False
        self._lines = BatchThread("log", self._write_lines, MAX_WAITING_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 no log line may fail a request
            line = f"a line of {record.name} cannot be formatted: {type(error).__name__}"
        self._lines.put(line)

    def close(self) -> None:
        """Write what waits, if that takes no longer than CLOSE_SECONDS."""
        self._lines.close(CLOSE_SECONDS)  # without the handler's lock, which `logging.shutdown` has
        super().close()

    def _write_lines(self, lines: list[str], dropped: int) -> None:
        if dropped:
            record = logging.makeLogRecord({"name": "cogitate", "levelname": "WARNING"})
            record.msg = f"{dropped} lines of this log were not read in time, and are lost"
            lines.append(self.format(record))
        with suppress(OSError):  # nobody reads the log any more
            for piece in join_lines(lines):
                write(self._descriptor, piece)


def join_lines(lines: list[str]) -> Iterator[bytes]:
    """Join lines to pieces that a pipe takes whole: other processes' lines come between them, not into one."""
    piece = bytearray()
    for line in lines:
        content = f"{line}\n".encode(errors="replace")
        if piece and len(piece) + len(content) > PIPE_BUF:
            yield bytes(piece)
            piece.clear()
        piece += content
    if piece:
        yield bytes(piece)


def write(descriptor: int, content: bytes) -> None:
    """Write all of the content. Raises OSError."""
    while content:
        content = content[os.write(descriptor, content) :]


def build_formatter(style: Literal["text", "json"], *, shows_pid: bool = False) -> logging.Formatter:
    return JsonFormatter(shows_pid=shows_pid) if style == "json" else TextFormatter(shows_pid=shows_pid)


def configure_log(
    descriptor: int, level: str, style: Literal["text", "json"] = "text", *, shows_pid: bool = False
) -> BackgroundHandler:
    """Send the server's and uvicorn's log to a file descriptor. vLLM's stays with its output.

    `shows_pid`: lines have the process's id, where several processes write to one descriptor.
    Until the process ends, when `logging` closes the handler: uvicorn logs after its server has ended, too.
    """
    handler = BackgroundHandler(descriptor)
    handler.setFormatter(build_formatter(style, shows_pid=shows_pid))
    handler.addFilter(is_failure)
    for logger in map(logging.getLogger, NAMES):
        logger.addHandler(handler)
        logger.setLevel(level.upper())
        logger.propagate = False
    return handler


def is_failure(record: logging.LogRecord) -> bool:
    """Leave out uvicorn's tracebacks of requests that it cancels at shutdown, when it has told their number."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
