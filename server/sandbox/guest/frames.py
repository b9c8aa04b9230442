"""Messages on a pipe: 4 bytes of length, then as many bytes. An empty one says that the other side is lost."""

import os


def receive(pipe: int) -> "bytes | None":
    """None at the end."""
    head = _exactly(pipe, 4)
    return None if head is None else _exactly(pipe, int.from_bytes(head, "big"))


def _exactly(pipe: int, size: int) -> "bytes | None":
    got = bytearray()
    while len(got) < size:
        piece = os.read(pipe, size - len(got))
        if not piece:
            return None
        got += piece
    return bytes(got)


def send(pipe: int, message: bytes) -> None:
    left = memoryview(len(message).to_bytes(4, "big") + message)
    while left:
        left = left[os.write(pipe, left) :]


def take_over() -> "tuple[int, int]":
    """Our ends of stdin and stdout; whoever reads or prints from now on meets /dev/null."""
    ours = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for usual in (0, 1, 2):
        os.dup2(nothing, usual)
    return ours
