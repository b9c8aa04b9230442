"""`cogitate keys list` and `keys revoke`: which lines go, and which stay."""

from pathlib import Path

import pytest

from cogitate.server.auth.keys import InvalidKeysFile, Keys, create_key, digest
from cogitate.server.auth.manage_keys import list_keys, revoke_keys
from cogitate.server.cli import main


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, list[str]]:
    """A keys file with a comment and three keys, two of them of one tenant."""
    path = tmp_path / "keys"
    keys = [create_key(path, tenant) for tenant in ("acme", "acme", "umbrella")]
    path.write_text("# ours\n" + path.read_text().replace("umbrella", "umbrella max_cost=5 # theirs"))
    return path, keys


def test_a_list_has_the_start_of_the_digest_the_tenant_and_the_limits(made):
    path, keys = made
    lines = [str(key) for key in list_keys(path)]
    assert lines[2] == f"{digest(keys[2]).hex()[:12]} umbrella max_cost=5"
    assert [line.split()[1] for line in lines] == ["acme", "acme", "umbrella"]


def test_revoking_a_tenant_removes_all_its_keys_and_a_server_notices(made):
    path, keys = made
    known = Keys(path)
    assert known.find_holder(keys[0])
    assert [key.tenant for key in revoke_keys(path, "acme")] == ["acme", "acme"]
    assert [known.find_holder(key) is not None for key in keys] == [False, False, True]
    assert path.read_text().startswith("# ours\n") and path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["keys"]


def test_revoking_a_digest_removes_one_key(made):
    path, keys = made
    (revoked,) = revoke_keys(path, digest(keys[1]).hex()[:12].upper())
    assert revoked.digest == digest(keys[1]).hex()
    assert [key.digest for key in list_keys(path)] == [digest(keys[at]).hex() for at in (0, 2)]


def test_a_revoked_key_must_be_named_clearly(made):
    path, keys = made
    before = path.read_text()
    for which in ("nobody", "", digest(keys[0]).hex()[:5]):
        with pytest.raises(InvalidKeysFile, match="no key has"):
            revoke_keys(path, which)
    assert path.read_text() == before
    twins = f"{'ab' * 31}00 a\n{'ab' * 31}01 b\n"
    path.write_text(twins)
    with pytest.raises(InvalidKeysFile, match="names several keys"):
        revoke_keys(path, "abababab")
    assert path.read_text() == twins


def test_the_commands_print_what_they_list_and_revoke(made, capsys):
    path, _ = made
    main(["keys", "list", "--api-keys-file", str(path)])
    listed = capsys.readouterr().out
    main(["keys", "revoke", "umbrella", "--api-keys-file", str(path)])
    assert capsys.readouterr().out == f"revoked {listed.splitlines()[2]}\n"
    with pytest.raises(SystemExit) as exit_info:
        main(["keys", "revoke", "umbrella", "--api-keys-file", str(path)])
    assert exit_info.value.code == 1 and "no key has" in capsys.readouterr().err
