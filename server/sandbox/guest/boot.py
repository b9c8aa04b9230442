"""The first code of a sandboxed process, given to `python -c`: it reads the rest from stdin, up to the first byte that
belongs to the program. It says that it is there first: whoever is told a job already dies with the server.

Sent are 4 bytes of length, and then, in marshal's form, which needs no import: the modules by name and source, the
confinement, the name of the module to run, and its job.
"""

import marshal
import os
import sys
import types


def _exactly(size: int) -> bytes:
    got = b""
    while len(got) < size:
        got += os.read(0, size - len(got)) or os._exit(0)  # the sender is gone
    return got


def _known(name: str, source: str) -> types.ModuleType:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, "<" + name + ">", "exec"), module.__dict__)
    return module


def boot() -> None:
    sys.argv = [""]
    os.write(1, b".")
    sys.path[:] = [entry for entry in sys.path if entry]
    modules, confinement, main, job = marshal.loads(_exactly(int.from_bytes(_exactly(4), "big")))
    known = {name: _known(name, source) for name, source in modules}
    known["cogitate.server.sandbox.guest.confine"].__dict__["confine"](confinement)
    known[main].__dict__["main"](job)


if __name__ == "__main__":
    boot()
