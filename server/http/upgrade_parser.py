"""httptools parser that ignores `Upgrade:` and keeps parsing HTTP/1.1 (uvicorn #2722, httptools #124).

A server may ignore an offer of another protocol (RFC 9110, 7.8), but httptools ends such a request after its headers
and hands back the rest, and uvicorn parses that rest, the request's body, as the next request. So the headers are
parsed a second time here, without the Upgrade header.

`tests/server/http/test_upgrade_parser.py` runs uvicorn's own protocol against the same request, and fails once this
module is no longer needed.
"""

from typing import Protocol

import httptools


class ParserOwner(Protocol):
    """The connection that receives the parser's callbacks: the request read so far, and its parser."""

    parser: "Http1Parser"
    url: bytes
    headers: list[tuple[bytes, bytes]]

    @property
    def is_websocket(self) -> bool:
        """Whether the headers just read ask for a WebSocket, which is accepted."""
        ...


class Http1Parser(httptools.HttpRequestParser):
    """Replaces itself in its owner by a fresh parser when a request offers an upgrade."""

    def __init__(self, owner: ParserOwner) -> None:
        super().__init__(owner)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._owner = owner

    @property
    def has_upgrade_offer(self) -> bool:
        """Whether the headers just read offer another protocol, so that they will be parsed a second time.

        False for CONNECT, which demands a tunnel instead of offering one, and for a WebSocket that is accepted.
        """
        return self.should_upgrade() and self.get_method() != b"CONNECT" and not self._owner.is_websocket

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # httptools also takes other buffers
        """Parse the next bytes of the connection.

        Raises httptools.HttpParserError, or HttpParserUpgrade where the connection becomes a WebSocket.
        """
        parser: Http1Parser = self
        while True:
            try:
                return httptools.HttpRequestParser.feed_data(parser, data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._owner.is_websocket:
                    raise
                if not parser.has_upgrade_offer:
                    return None
                data = parser._render_head() + data[upgrade.args[0] :]
                parser = self._owner.parser = Http1Parser(self._owner)

    def _render_head(self) -> bytes:
        """Return the request line and headers without Upgrade, as they would be sent."""
        start = b"%b %b HTTP/%b" % (self.get_method(), self._owner.url, self.get_http_version().encode())
        lines = [b"%b: %b" % header for header in self._owner.headers if header[0] != b"upgrade"]
        return b"\r\n".join([start, *lines, b"", b""])
