"""`cogitate audit TRACE.json`: whether a trace adds up."""

import json
import sys
from pathlib import Path

from cogitate.server.observability.audit.bill import check_bill
from cogitate.server.observability.audit.choice import check_choice
from cogitate.server.observability.audit.record import Record, Unreadable
from cogitate.server.observability.audit.report import Report

DESCRIPTION = """\
Recomputes the bill, the vote and the choice of a search from the events of its trace, and says what differs from what
the trace reports, and what cannot be recomputed from a trace. Exit status 1: something differs; 2: it is no trace.
"""
EXAMPLES = """\
examples:
  curl -s http://127.0.0.1:8000/v1/traces/ID > trace.json && cogitate audit trace.json
  curl -s http://127.0.0.1:8000/v1/traces/ID | cogitate audit -
"""
DIFFERENT, UNREADABLE = 1, 2
BROKEN = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What events raise that are no events, or that do not belong together."""


def audit(trace: object) -> Report:
    """Audit a trace, as JSON. Raises Unreadable."""
    record, report = Record.parse(trace), Report()
    try:
        check_bill(record, report)
    except BROKEN as error:
        raise Unreadable(f"its events are not those of a trace: {type(error).__name__} {error}") from error
    try:
        check_choice(record, report)
    except BROKEN as error:
        report.differences.append(f"choice: none can be made from these events: {type(error).__name__} {error}")
    return report


def run(file: str) -> int:
    """Print what the audit of a file, or of the standard input (`-`), finds. Returns the exit status."""
    try:
        trace = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text())
        report = audit(trace)
    except (OSError, ValueError, RecursionError, Unreadable) as error:
        sys.stderr.write(f"cogitate audit: {file}: {error}\n")
        return UNREADABLE
    name = (trace.get("strategy") or {}).get("name", "no strategy")
    print(f"trace {trace['id']} of {name}, {trace['status']}", *report.list_lines(), sep="\n")  # noqa: T201
    return DIFFERENT if report.differences else 0
