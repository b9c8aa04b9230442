"""The first code of a sandboxed process, the argument of `python -c`: reads the other modules from stdin and runs them.

It reads no byte beyond its message: the rest of stdin is the program's. Before it reads it writes one byte, which tells
the server that the process will die with the server, and that it can be sent its job.

The message is 4 bytes of length, big-endian, and then in marshal's format, which needs no import: the modules as names
and sources, the confinement, the name of the module to run, and its job.
"""

import marshal  # noqa: TID251 reads what the server wrote
import os
import sys
import types


def _read_exactly(size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(0, size - len(data)) or os._exit(0)  # the server is gone
    return data


def _load(name: str, source: str) -> types.ModuleType:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, "<" + name + ">", "exec"), module.__dict__)
    return module


def boot() -> None:
    sys.argv = [""]
    os.write(1, b".")
    sys.path[:] = [entry for entry in sys.path if entry]
    modules, confinement, main, job = marshal.loads(_read_exactly(int.from_bytes(_read_exactly(4), "big")))
    loaded = {name: _load(name, source) for name, source in modules}
    loaded["cogitate.server.sandbox.guest.confine"].__dict__["confine"](confinement)
    loaded[main].__dict__["main"](job)


if __name__ == "__main__":
    boot()
