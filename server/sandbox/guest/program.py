"""Runs one program as Python would: with the process's stdin, stdout and exit status."""

import os
import sys
import types

OUT_OF_MEMORY = 97
"""Exit status after a MemoryError. A program may also exit with it: its failure is then reported as `memory`."""


def main(job: "dict[str, str]") -> None:
    """Run the program; exits with 1, and a traceback on stderr, where it raises."""
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        exec(compile(job["source"], "<program>", "exec"), module.__dict__)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 the caller reads the program's exception from stderr
        _print_traceback(error, job["source"])
        sys.exit(1)


def _print_traceback(error: Exception, source: str) -> None:
    import linecache
    import traceback

    linecache.cache["<program>"] = (len(source), None, source.splitlines(True), "<program>")
    frame_of_main = error.__traceback__
    traceback.print_exception(type(error), error, frame_of_main.tb_next if frame_of_main else None)
