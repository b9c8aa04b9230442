"""Messages on a pipe: 4 bytes of length, big-endian, and as many bytes. An empty message: the other side is lost."""

import os


def receive(pipe: int) -> "bytes | None":
    """Read one message; None at the end of the pipe."""
    head = _read_exactly(pipe, 4)
    return None if head is None else _read_exactly(pipe, int.from_bytes(head, "big"))


def _read_exactly(pipe: int, size: int) -> "bytes | None":
    data = bytearray()
    while len(data) < size:
        chunk = os.read(pipe, size - len(data))
        if not chunk:
            return None
        data += chunk
    return bytes(data)


def send(pipe: int, message: bytes) -> None:
    """Write one message."""
    rest = memoryview(len(message).to_bytes(4, "big") + message)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def take_pipes() -> "tuple[int, int]":
    """Return duplicates of stdin and stdout, and connect stdin, stdout and stderr to /dev/null."""
    pipes = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    return pipes
