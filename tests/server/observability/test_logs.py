"""The lines of the server's log: formats, the request's id, and a terminal that nobody reads."""

import contextlib
import json
import logging
import logging.config
import os
import re
import subprocess
import sys

import pytest

from cogitate.server.observability import logs
from cogitate.server.observability.logs import (
    MAX_WAITING_LINES,
    REQUEST_ID,
    BackgroundHandler,
    configure_log,
    log_failure,
)


@pytest.fixture
def pipe():
    """The two ends of a pipe, both closed in the end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@contextlib.contextmanager
def open_log(descriptor, style="text"):
    """Send the log to a descriptor until the context ends, and leave logging as it was."""
    loggers = {log: (log.level, log.propagate) for log in map(logging.getLogger, logs.NAMES)}
    handler = configure_log(descriptor, "info", style)
    try:
        yield handler
    finally:
        for log, (log.level, log.propagate) in loggers.items():
            log.removeHandler(handler)
        handler.close()


def write_lines(pipe, style, *calls):
    """Call functions with a logger; returns the log's lines."""
    reader, writer = pipe
    with open_log(writer, style):
        for call in calls:
            call(logging.getLogger("cogitate.test"))
    return os.read(reader, 65536).decode().splitlines()


def test_text_lines_have_time_level_logger_and_message(pipe):
    (line,) = write_lines(pipe, "text", lambda log: log.warning("%s is %d", "x", 7))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING cogitate\.test: x is 7", line)


def test_json_lines_are_objects_of_time_level_logger_and_message(pipe):
    (line,) = write_lines(pipe, "json", lambda log: log.error("no"))
    fields = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00", fields.pop("time"))
    assert fields == {"level": "ERROR", "logger": "cogitate.test", "message": "no"}


def test_lines_of_a_task_have_the_id_of_its_request_once(pipe):
    token = REQUEST_ID.set("mine")
    try:
        calls = (lambda log: log.info("gone"), lambda log: log_failure(log, KeyError("secret")))
        text, as_json = write_lines(pipe, "text", *calls), write_lines(pipe, "json", *calls)
    finally:
        REQUEST_ID.reset(token)
    assert [line.partition(": ")[2] for line in text] == [
        "gone (request mine)",
        "a request failed: KeyError at no frame (request mine)",
    ]
    assert [json.loads(line)["id"] for line in as_json] == ["mine", "mine"]


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_message_cannot_forge_a_line(pipe, style):
    forged = "ok\n2026-01-01T00:00:00.000Z INFO cogitate: forged\r\x1b[2K\u2028"
    lines = write_lines(pipe, style, lambda log: log.warning("%s", forged))
    assert len(lines) == 1 and not re.search(r"[\x00-\x1f\u2028]", lines[0])


def test_a_reader_that_stops_delays_nobody_and_learns_how_many_lines_are_lost(pipe):
    reader, writer = pipe
    count = 2 * MAX_WAITING_LINES
    with open_log(writer):
        log = logging.getLogger("cogitate.test")
        for number in range(count):
            log.info("%06d %s", number, "x" * 100)
        text = read_until(reader, "are lost")
    (lost,) = re.findall(r"(\d+) lines of this log were not read in time", text)
    assert len(re.findall("x{100}", text)) + int(lost) == count and int(lost) > 0


def read_until(reader: int, end: str) -> str:
    """Read from a descriptor until the text has come."""
    text = ""
    while end not in text[-65536 - len(end) :]:
        text += os.read(reader, 65536).decode()
    return text


def test_lines_are_written_after_a_library_has_configured_logging(pipe):
    reader, writer = pipe
    with open_log(writer):
        logging.getLogger("cogitate.test").info("before")
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})  # as vLLM does for an engine
        logging.getLogger("cogitate.test").info("after")
    lines = os.read(reader, 4096).decode().splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["before", "after"]


def test_the_last_lines_are_written_when_the_process_ends():
    program = (
        "import logging; from cogitate.server.observability.logs import configure_log\n"
        "configure_log(2, 'info')\n"
        "for number in range(1000): logging.getLogger('cogitate.test').info('line %d', number)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert [line.rpartition(" ")[2] for line in ended.stderr.splitlines()] == [str(number) for number in range(1000)]


def test_a_line_that_cannot_be_formatted_is_told_and_its_text_is_not(pipe):
    reader, writer = pipe
    handler = BackgroundHandler(writer)
    handler.handle(logging.LogRecord("cogitate.test", logging.INFO, "", 0, "%d", ("secret",), None))
    handler.close()
    assert os.read(reader, 4096).decode() == "a line of cogitate.test cannot be formatted: TypeError\n"


def test_control_characters_are_those_that_end_a_line_somewhere():
    ends = [chr(code) for code in range(0x110000) if len(f"a{chr(code)}b".splitlines()) > 1]
    assert ends and all(logs.CONTROL.fullmatch(end) for end in ends)
