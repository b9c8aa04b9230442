"""Our lines under `vllm serve`: by vLLM's handlers or the operator's, once, in place of uvicorn's."""

import json
import subprocess
import sys

import pytest

HANDLERS = {"out": {"class": "logging.StreamHandler", "formatter": "f", "stream": "ext://sys.stdout"}}
TEXT = {"f": {"format": "%(levelname)s %(name)s %(message)s"}}
AS_JSON = {"f": {"class": "pythonjsonlogger.json.JsonFormatter", "format": "%(levelname)s %(name)s %(message)s"}}
VLLM = {"vllm": {"handlers": ["out"], "level": "INFO", "propagate": False}}
ACCESS = {"uvicorn.access": {"handlers": ["out"], "level": "INFO", "propagate": False}}
PROGRAM = """
import json, logging, logging.config, sys
from cogitate.server.http.instrumentation import log_request
from cogitate.server.observability.logs import REQUEST_ID, log_failure
from cogitate.server.plugin.logs import attach_log
config = json.loads(sys.argv[1])
logging.config.dictConfig(config)
attach_log()
logging.config.dictConfig(config)  # as vLLM does again in each of its processes
access = logging.getLogger("uvicorn.access")
access.info("plain")
REQUEST_ID.set("mine")
access.info("ours")
state = {"request_id": "mine", "strategy": "auto"}
log_request({"method": "POST", "path": "/v1/chat/completions", "state": state}, 200, 0.5, {"error": None})
log_failure(logging.getLogger("cogitate.jobs"), KeyError("secret"))
"""


def write_log(formatters, loggers, **more) -> list[str]:
    """Return the lines of a process whose logging is configured so."""
    config = {"version": 1, "disable_existing_loggers": False, "formatters": formatters, "handlers": HANDLERS}
    config |= {"loggers": loggers | ACCESS} | more
    command = [sys.executable, "-c", PROGRAM, json.dumps(config)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


FIELDS = "id=mine method=POST path=/v1/chat/completions strategy=auto status=200 seconds=0.5"
FAILURE = "a request failed: KeyError at no frame (request mine)"


@pytest.mark.parametrize(
    ("loggers", "more"),
    [
        (VLLM, {}),
        ({}, {"root": {"handlers": ["out"], "level": "INFO"}}),
        (VLLM | {"cogitate": {"handlers": ["out"], "level": "INFO", "propagate": False}}, {}),
    ],
    ids=["vLLM's own", "the operator's, of all", "the operator's, of ours"],
)
def test_our_lines_come_once_and_uvicorns_of_plain_requests_alone(loggers, more):
    assert write_log(TEXT, loggers, **more) == [
        "INFO uvicorn.access plain",
        f"INFO cogitate.requests POST /v1/chat/completions 200 {FIELDS}",
        f"ERROR cogitate.jobs {FAILURE}",
    ]


def test_fields_are_those_of_the_object_where_vllm_writes_json():
    _, line, failure = map(json.loads, write_log(AS_JSON, VLLM))
    assert (line["id"], line["status"], line["strategy"], line["name"]) == ("mine", 200, "auto", "cogitate.requests")
    assert (failure["id"], failure["message"]) == ("mine", FAILURE)


def test_level_is_vllms():
    quiet = {"vllm": {"handlers": ["out"], "level": "ERROR", "propagate": False}}
    assert [line.split()[0] for line in write_log(TEXT, quiet)] == ["INFO", "ERROR"]
