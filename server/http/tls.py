"""TLS of the listener: vLLM's --ssl-* flags, and certificates that are loaded again when their files change."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import uvicorn
from starlette.types import Receive, Scope, Send

log = logging.getLogger("cogitate.http")
REFRESH_SECONDS = 10.0
"""Interval between two looks at the certificate files."""
Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a certificate, and what is asked of clients. Names and meanings are vLLM's."""

    ssl_keyfile: str
    ssl_certfile: str
    ssl_ca_certs: str | None = None
    ssl_cert_reqs: int = ssl.CERT_NONE
    ssl_ciphers: str | None = None
    enable_ssl_refresh: bool = False

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self | None:
        """Return what vLLM's arguments ask for; None for plain HTTP.

        Raises ValueError for a key without a certificate, or the other way round, and OSError or ssl.SSLError for files
        that cannot be used.
        """
        names = {name: value for name, value in values.items() if name in cls.__slots__ and value is not None}
        if not names:
            return None
        if not (names.get("ssl_keyfile") and names.get("ssl_certfile")):
            raise ValueError("TLS needs both --ssl-keyfile and --ssl-certfile")
        given = {name: int(str(value)) if name == "ssl_cert_reqs" else value for name, value in names.items()}
        tls = cls(**given)  # type: ignore[arg-type]  # vLLM's parser has checked the types
        tls.configure(uvicorn.Config(_no_app, log_config=None)).load()  # raises for files that cannot be used
        return tls

    def configure(self, config: uvicorn.Config) -> uvicorn.Config:
        """Set the files in a configuration that is not loaded yet."""
        config.ssl_keyfile, config.ssl_certfile = self.ssl_keyfile, self.ssl_certfile
        config.ssl_ca_certs, config.ssl_cert_reqs = self.ssl_ca_certs, self.ssl_cert_reqs
        config.ssl_ciphers = self.ssl_ciphers or config.ssl_ciphers
        return config

    async def refresh(self, context: ssl.SSLContext, seconds: float = REFRESH_SECONDS) -> None:
        """Look at the files every `seconds`, and load them again when they change. Runs until it is cancelled."""
        version = self._read_version()
        while True:
            await asyncio.sleep(seconds)
            current = self._read_version()
            if current in (version, ()):
                continue
            try:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
                if self.ssl_ca_certs:
                    context.load_verify_locations(self.ssl_ca_certs)
            except (OSError, ssl.SSLError) as error:
                log.warning("the changed certificate files cannot be used, and the earlier ones stay: %s", error)
            version = current

    def _read_version(self) -> Version:
        """Return the times of the files; empty while one of them is missing."""
        paths = [path for path in (self.ssl_keyfile, self.ssl_certfile, self.ssl_ca_certs) if path]
        try:
            return tuple(Path(path).stat().st_mtime_ns for path in paths)
        except OSError:
            return ()


async def _no_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands for the application where only the files are checked."""
