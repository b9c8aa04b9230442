"""Decompresses a response in pieces, so that a small body that expands to gigabytes takes neither memory nor time.

Responses are requested uncompressed; some gateways compress them all the same. gzip and deflate are read, the latter
with and without zlib's header, as servers send both.
"""

import zlib
from dataclasses import dataclass, field
from typing import Any

from cogitate.server.engine.remote.errors import UpstreamFailed

MAX_PIECE_BYTES = 256 * 1024
MAX_FREE_BYTES, MAX_RATIO = 1024 * 1024, 100
"""A text that expands by more is none; zlib reaches a thousandfold."""
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
"""zlib's value for a header of either format."""
HEADER_BYTES = 2
"""By which zlib's header is recognised."""
ENCODINGS = frozenset({b"gzip", b"x-gzip", b"deflate"})


@dataclass(slots=True)
class Decompressor:
    """Takes a compressed chunk with `feed`; then `read` returns its text piece by piece, and nothing at its end."""

    _decoder: Any = field(default_factory=lambda: zlib.decompressobj(GZIP_OR_ZLIB))
    _input: bytes = b""
    _bytes_in: int = 0
    _bytes_out: int = 0
    _has_begun: bool = False

    def feed(self, chunk: bytes) -> None:
        self._input += chunk
        self._bytes_in += len(chunk)

    def read(self) -> bytes:
        """Return at most MAX_PIECE_BYTES; empty where more input is needed. Raises UpstreamFailed."""
        if not self._input or self._decoder.eof or not (self._has_begun or len(self._input) >= HEADER_BYTES):
            return b""
        try:
            piece: bytes = self._decompress()
        except zlib.error:
            raise UpstreamFailed("returned a compressed response that is invalid") from None
        self._input = self._decoder.unconsumed_tail
        self._has_begun = True
        self._bytes_out += len(piece)
        if self._bytes_out > MAX_FREE_BYTES + MAX_RATIO * self._bytes_in:
            raise UpstreamFailed("returned a compressed response over the size limit")
        return piece

    def end(self) -> bytes:
        """Return what is left of the text when all input was fed."""
        rest: bytes = b"" if self._decoder.eof else self._decoder.flush(MAX_PIECE_BYTES)
        return rest

    def _decompress(self) -> bytes:
        try:
            return self._decoder.decompress(self._input, MAX_PIECE_BYTES)  # type: ignore[no-any-return]
        except zlib.error:
            if self._has_begun:
                raise
            self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._decoder.decompress(self._input, MAX_PIECE_BYTES)  # type: ignore[no-any-return]
