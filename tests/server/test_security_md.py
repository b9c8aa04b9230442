"""SECURITY.md names only flags that exist."""

import re
from pathlib import Path

from cogitate.server.cli import parser

TEXT = (Path(__file__).parents[2] / "SECURITY.md").read_text()


def test_every_flag_in_it_exists():
    help_of_serve = parser()._subparsers._group_actions[0].choices["serve"].format_help()  # type: ignore[union-attr,index]
    named = set(re.findall(r"`(--[a-z-]+)", TEXT))
    assert len(named) >= 6
    assert [flag for flag in named if f"{flag} " not in help_of_serve and f"{flag}," not in help_of_serve] == []
