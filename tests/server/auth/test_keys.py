"""The keys file: parsing, look-up, and creation of keys."""

import hashlib

import pytest

from cogitate.server.auth.key_limits import KeyLimits
from cogitate.server.auth.keys import InvalidKeysFile, Keys, create_key, parse_keys

DIGEST = hashlib.sha256(b"cog-test").hexdigest()


def test_keys_file_line_has_tenant_and_limits():
    (holder,) = parse_keys(
        f"{DIGEST} acme requests_per_minute=5 generations=8 strategies=best_of_n code=true # x"
    ).values()
    assert holder.tenant == "acme" and holder.limits == KeyLimits(
        requests_per_minute=5, generations=8, strategies=frozenset({"best_of_n"}), code=True
    )
    (holder,) = parse_keys(f"# nothing\n\n{DIGEST} acme\n").values()
    assert holder.limits == KeyLimits()


@pytest.mark.parametrize("line", ["zz acme", DIGEST, f"{DIGEST[:10]} acme", f"{DIGEST} generations=3"])
def test_malformed_lines_of_the_keys_file_are_reported_by_number(line):
    with pytest.raises(InvalidKeysFile, match="line 2"):
        parse_keys(f"# keys\n{line}")


def test_every_key_of_the_file_is_found_and_unknown_keys_are_not(tmp_path):
    path = tmp_path / "keys"
    made = [create_key(path, f"tenant-{at}") for at in range(5)]
    known = Keys(path)
    assert [known.find_holder(key).tenant for key in made] == [f"tenant-{at}" for at in range(5)]
    assert known.find_holder("cog-" + "x" * 43) is None and known.find_holder("\ud800") is None


def test_new_key_is_stored_as_a_digest_in_a_private_file(tmp_path):
    path = tmp_path / "keys"
    key = create_key(path, "acme")
    assert key.startswith("cog-") and key not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert Keys(path).find_holder(key).tenant == "acme"


@pytest.mark.parametrize("tenant", ["", " ", "two words", "a#b", "a\nb"])
def test_malformed_tenant_names_are_rejected(tmp_path, tenant):
    with pytest.raises(InvalidKeysFile, match="one word"):
        create_key(tmp_path / "keys", tenant)
    assert not (tmp_path / "keys").exists()


def test_missing_keys_file_is_an_error_until_it_was_read_once(tmp_path, caplog):
    path = tmp_path / "keys"
    keys = Keys(path)
    with pytest.raises(InvalidKeysFile, match="cannot be used"):
        keys.find_holder("cog-x")
    key = create_key(path, "acme")
    assert keys.find_holder(key)
    path.unlink()
    assert keys.find_holder(key) and keys.find_holder(key)
    assert len([record for record in caplog.records if "stay valid" in record.message]) == 1
