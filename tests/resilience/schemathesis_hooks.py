"""Hooks that schemathesis loads (SCHEMATHESIS_HOOKS): they set the served model's name and count the cases."""

import json
import os
from typing import Any

import schemathesis

CASES_FILE_VARIABLE = "COGITATE_TESTS_EXAMPLES"
"""Environment variable with the path of the file that gets a JSON line [operation, status] per case."""


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Replace a generated model name, which would be a 404 before any other validation."""
    if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
        case.body["model"] = "scripted"


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: schemathesis.Case, response: schemathesis.Response) -> None:
    with open(os.environ[CASES_FILE_VARIABLE], "a") as file:  # noqa: TID251 the hook has no other way
        file.write(json.dumps([case.operation.label, response.status_code]) + "\n")
