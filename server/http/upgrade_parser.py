"""A parser of requests that stays with HTTP/1.1, whatever other protocol a client would rather go on in.

An offer of another may be ignored (RFC 9110, 7.8), but to httptools such a request ends with its headers, and what
follows, its body, begins another one. So its headers are parsed once more, without the offer.
"""

from typing import Protocol

import httptools


class Request(Protocol):
    """What of a request is known when its headers have come; and who parses what comes next."""

    parser: "Staying"
    url: bytes
    headers: list[tuple[bytes, bytes]]


class Staying(httptools.HttpRequestParser):
    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self._request = request

    @property
    def offered(self) -> bool:
        """Another protocol, and the headers that have just come will come again. CONNECT is no offer but a wish."""
        return self.should_upgrade() and self.get_method() != b"CONNECT"

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # whoever feeds it has bytes
        parser: Staying = self
        while True:
            try:
                return httptools.HttpRequestParser.feed_data(parser, data)
            except httptools.HttpParserUpgrade as end:
                if not parser.offered:
                    return None
                data = parser._again() + data[end.args[0] :]
                parser = self._request.parser = Staying(self._request)

    def _again(self) -> bytes:
        first = b"%b %b HTTP/%b" % (self.get_method(), self._request.url, self.get_http_version().encode())
        rest = [b"%b: %b" % header for header in self._request.headers if header[0] != b"upgrade"]
        return b"\r\n".join([first, *rest, b"", b""])
