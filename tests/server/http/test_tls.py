"""TLS and Unix sockets: the listener's certificate, one that is renewed, and files that cannot be used."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from cogitate.server.http.server import DrainingServer
from cogitate.server.http.tls import Tls
from cogitate.server.launcher import CannotServe, bind_listener, build_url, read_tls
from cogitate.server.settings import Settings

START = datetime(2026, 1, 1)


def write_certificate(folder: Path, serial: int = 1) -> dict[str, str]:
    """Write a certificate for localhost and its key. Returns vLLM's arguments for them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return {"ssl_keyfile": str(folder / "key.pem"), "ssl_certfile": str(folder / "cert.pem")}


async def hello(request):
    return PlainTextResponse(request.url.scheme)


@contextlib.asynccontextmanager
async def serve(settings: Settings) -> AsyncIterator[str]:
    tls, listener = read_tls(settings), bind_listener(settings)

    async def drain() -> None: ...

    server = DrainingServer(Starlette(routes=[Route("/", hello)]), drain, lambda: None, tls=tls)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    for _ in range(500):
        if server.started:
            break
        await asyncio.sleep(0.01)
    try:
        yield build_url(listener, tls)
    finally:
        server.stop()
        await task


def fetch_serial(url: str) -> int:
    port = int(url.rpartition(":")[2])
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode()).serial_number


async def test_listener_speaks_tls_with_the_certificate(tmp_path):
    async with serve(Settings(port=0, engine_args=write_certificate(tmp_path))) as url:
        assert url.startswith("https://")
        context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        async with httpx.AsyncClient(verify=context) as client:
            response = await client.get(url.replace("127.0.0.1", "localhost"))
            assert response.text == "https"
        with pytest.raises(httpx.HTTPError):
            async with httpx.AsyncClient() as plain:
                await plain.get(url.replace("https", "http"))
        async with httpx.AsyncClient(verify=context) as client:  # the failed handshake has ended nothing
            assert (await client.get(url.replace("127.0.0.1", "localhost"))).status_code == 200


async def test_renewed_certificate_is_loaded(tmp_path):
    arguments = write_certificate(tmp_path, serial=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls = Tls.read(arguments)
    assert tls is not None
    context.load_cert_chain(tls.ssl_certfile, tls.ssl_keyfile)
    watch = asyncio.create_task(tls.refresh(context, seconds=0.05))
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert await asyncio.to_thread(fetch_serial, url) == 1
    await asyncio.sleep(0.1)
    write_certificate(tmp_path, serial=2)
    for _ in range(100):
        if await asyncio.to_thread(fetch_serial, url) == 2:
            break
        await asyncio.sleep(0.05)
    assert await asyncio.to_thread(fetch_serial, url) == 2
    watch.cancel()
    server.close()


@pytest.mark.parametrize("missing", ["ssl_keyfile", "ssl_certfile"])
def test_key_without_certificate_stops_the_start_in_a_line(tmp_path, missing):
    arguments = write_certificate(tmp_path)
    del arguments[missing]
    with pytest.raises(CannotServe, match="TLS needs both --ssl-keyfile and --ssl-certfile"):
        read_tls(Settings(engine_args=arguments))


def test_file_that_is_no_certificate_stops_the_start_in_a_line(tmp_path):
    arguments = write_certificate(tmp_path)
    Path(arguments["ssl_certfile"]).write_text("nothing")
    with pytest.raises(CannotServe, match="--ssl-certfile"):
        read_tls(Settings(engine_args=arguments))


async def test_unix_socket_is_served(tmp_path):
    path = tmp_path / "socket"
    async with (
        serve(Settings(engine_args={"uds": str(path)})) as url,
        httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as client,
    ):
        assert url == f"http+unix://{path}"
        assert (await client.get("http://localhost/")).text == "http"


def test_path_that_exists_stops_the_start_in_a_line(tmp_path):
    (tmp_path / "socket").touch()
    with pytest.raises(CannotServe, match="cannot listen on --uds"):
        bind_listener(Settings(engine_args={"uds": str(tmp_path / "socket")}))
