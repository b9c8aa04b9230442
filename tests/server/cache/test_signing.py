"""Envelopes of values: only what `seal` made is accepted by `unseal`."""

import os
import pickle  # noqa: TID251 an attack
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cogitate.server.cache.signing import MARK, OVERHEAD_BYTES, seal, unseal

KEY = "ab" * 32
secrets = st.none() | st.binary(min_size=32, max_size=32)


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)  # noqa: TID251 an attack


@given(st.text("0123456789abcdef", max_size=64), st.binary(max_size=200), secrets)
def test_a_sealed_value_is_unsealed(key: str, value: bytes, secret: bytes | None) -> None:
    envelope = seal(key, value, secret)
    assert unseal(key, envelope, secret) == value
    assert len(envelope) == len(value) + OVERHEAD_BYTES


@given(st.binary(max_size=200), st.sampled_from([b"", MARK]), secrets)
def test_random_bytes_are_rejected(noise: bytes, start: bytes, secret: bytes | None) -> None:
    assert unseal(KEY, start + noise, secret) is None


@given(st.binary(max_size=60), st.data(), secrets)
def test_an_envelope_with_a_changed_byte_is_rejected(value: bytes, data: st.DataObject, secret: bytes | None) -> None:
    envelope = bytearray(seal(KEY, value, secret))
    envelope[data.draw(st.integers(0, len(envelope) - 1))] ^= data.draw(st.integers(1, 255))
    assert unseal(KEY, bytes(envelope), secret) is None


@given(st.binary(max_size=60), st.data(), secrets)
def test_a_truncated_or_extended_envelope_is_rejected(value: bytes, data: st.DataObject, secret: bytes | None) -> None:
    envelope = seal(KEY, value, secret)
    assert unseal(KEY, envelope[: data.draw(st.integers(0, len(envelope) - 1))], secret) is None
    assert unseal(KEY, envelope + data.draw(st.binary(min_size=1, max_size=9)), secret) is None


@given(st.binary(max_size=60), secrets, secrets)
def test_an_envelope_is_accepted_under_its_own_key_and_secret_only(
    value: bytes, one: bytes | None, other: bytes | None
) -> None:
    envelope = seal(KEY, value, one)
    assert unseal("cd" * 32, envelope, one) is None
    assert one == other or unseal(KEY, envelope, other) is None


def test_bytes_cannot_move_between_key_and_value() -> None:
    assert unseal("ab", seal("a", b"b", None), None) is None
    assert unseal("a", seal("ab", b"", None), None) is None


def test_a_pickle_is_rejected_and_not_executed(tmp_path: Path) -> None:
    for payload in (
        pickle.dumps(Canary(tmp_path / "canary")),
        f"cos\nsystem\n(S'touch {tmp_path}/canary'\ntR.".encode(),
    ):
        for noise in (payload, MARK + payload, MARK + bytes(32) + payload):
            assert unseal(KEY, noise, None) is None
    assert not list(tmp_path.iterdir())
