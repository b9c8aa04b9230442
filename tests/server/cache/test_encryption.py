"""Encryption of cached values."""

from cogitate.server.cache.encryption import Encryption

SECRET = b"s" * 32
VALUE = b'{"messages": ["What is 6*7?"]}'


def test_an_encrypted_value_is_unreadable_and_decrypted_under_its_own_key_and_secret_only() -> None:
    encrypted = Encryption(SECRET).encrypt("a", VALUE)
    assert b"6*7" not in encrypted and Encryption(SECRET).decrypt("a", encrypted) == VALUE
    assert Encryption(SECRET).encrypt("a", VALUE) != encrypted
    assert Encryption(SECRET).decrypt("b", encrypted) is None
    assert Encryption(b"a guess").decrypt("a", encrypted) is None
    for damaged in (b"", encrypted[:5], encrypted[:-1], encrypted + b"x", VALUE):
        assert Encryption(SECRET).decrypt("a", damaged) is None


def test_without_a_secret_values_stay_plain() -> None:
    assert Encryption(None).encrypt("a", VALUE) == VALUE == Encryption(None).decrypt("a", VALUE)
