"""Runs one program as Python would: its stdin, stdout and exit status are the process's."""

import os
import sys
import types

OUT_OF_MEMORY = 97
"""Exit status. A program may end with it too: it then fails for another reason, and fails."""


def main(job: "dict[str, str]") -> None:
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        exec(compile(job["source"], "<program>", "exec"), module.__dict__)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 whatever a program fails with is for its caller to read
        _tell(error, job["source"])
        sys.exit(1)


def _tell(error: Exception, source: str) -> None:
    import linecache
    import traceback

    linecache.cache["<program>"] = (len(source), None, source.splitlines(True), "<program>")
    ours = error.__traceback__
    traceback.print_exception(type(error), error, ours.tb_next if ours else None)
