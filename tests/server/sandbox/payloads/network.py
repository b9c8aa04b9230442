"""Connecting to anything outside, and accepting connections."""

from tests.server.sandbox.payloads import tame, wild

LOCAL = tame(
    loopback="socket.create_connection(('127.0.0.1', TARGETS['port']), 1); escaped()",
    a_datagram="""
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', TARGETS['udp']))
escaped()""",
    a_unix_socket="s = socket.socket(socket.AF_UNIX); s.connect(TARGETS['unix']); escaped()",
    an_abstract_socket="s = socket.socket(socket.AF_UNIX); s.connect('\\0' + TARGETS['abstract']); escaped()",
    a_unix_datagram="a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); escaped()",
    listening="s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); escaped()",
    netlink="socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); escaped()",
    by_a_raw_system_call="call(41, 2, 1, 0) >= 0 and escaped()",
    interfaces="print(socket.if_nameindex()); escaped()",
)
FAR = wild(
    redis="socket.create_connection(('127.0.0.1', 6379), 1); escaped()",
    metadata="socket.create_connection(('169.254.169.254', 80), 1); escaped()",
    name_server="socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53)); escaped()",
    docker="s = socket.socket(socket.AF_UNIX); s.connect('/var/run/docker.sock'); escaped()",
    hypervisor="socket.socket(40, socket.SOCK_STREAM); escaped()",
    packets="socket.socket(socket.AF_PACKET, socket.SOCK_RAW); escaped()",
    ip_version_6="socket.socket(socket.AF_INET6, socket.SOCK_STREAM); escaped()",
    kernel_crypto="socket.socket(38, socket.SOCK_SEQPACKET); escaped()",
    bluetooth="socket.socket(31, socket.SOCK_RAW, 1); escaped()",
)
PAYLOADS = LOCAL + FAR
