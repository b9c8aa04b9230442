"""Recomputes the bill, the vote and the choice of a search from its trace, as `cogitate audit` does.

    curl -s http://127.0.0.1:8000/v1/traces/ID | python deploy/audit_trace.py -

It needs Python and nothing else, so that whoever pays the bill can check it on any machine.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "package"))

from cogitate.server.observability.audit.cli import DESCRIPTION, run


def main() -> None:
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("trace", metavar="TRACE.json", help="a trace from /v1/traces/ID; `-`: the standard input")
    sys.exit(run(parser.parse_args().trace))


if __name__ == "__main__":
    main()
