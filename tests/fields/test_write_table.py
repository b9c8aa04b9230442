"""Compares deploy/results/fields.md with the fields and errors of the current server."""

import re

import pytest

from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live
from tests.fields.engines import PROGRAMS
from tests.fields.fields import FIELDS
from tests.fields.matrix import COLUMNS, PLAIN
from tests.fields.requests import Server
from tests.fields.write_table import FILE, Verdict, parse_table, render_table, rows, shorten_reason, title

REJECTED_BY_THE_ENGINE = ("thinking_token_budget",)
"""The engine rejects it, since the demo model does not reason."""
CHECKED_WITH_UNKNOWN_NAMES = ("model", "strategy")
"""Their checks send names that do not exist."""


def test_table_has_every_field_of_a_chat_request():
    assert {field.name for field in FIELDS} == set(ChatRequest.model_fields)
    assert len({field.title for field in FIELDS}) == len(FIELDS)


def test_file_has_a_row_for_every_field_and_a_column_for_every_strategy():
    assert list(rows(FILE.read_text())) == [title(field) for field in FIELDS]
    assert all(tuple(cells) == COLUMNS for cells in rows(FILE.read_text()).values())


def test_every_cell_is_honoured_accepted_or_refused():
    known = re.compile(r"honoured|accepted|refused \[\d+\]")
    assert all(known.fullmatch(cell) for cells in rows(FILE.read_text()).values() for cell in cells.values())


@pytest.mark.live
def test_server_rejects_what_the_file_calls_refused():
    table, refused = rows(FILE.read_text()), {}
    with live(ScriptedEngine(["so \\boxed{7}"])) as server:
        server.service.settings = PROGRAMS
        for field in FIELDS:
            if field.name in (*REJECTED_BY_THE_ENGINE, *CHECKED_WITH_UNKNOWN_NAMES):
                continue
            for column in COLUMNS:
                trial = field.trial(Server(server.url, None), None if column == PLAIN else column)
                answer = server.ask(**trial.body(**trial.own, model="scripted"))
                assert answer.status_code in (200, 400), answer.text
                refused[title(field), column] = answer.status_code == 400
                if answer.status_code == 400:
                    named = answer.json()["error"]["param"]
                    refused[title(field), column] = named in (field.name, *field.needs)
                    assert refused[title(field), column] or named in field.context
    assert refused == {cell: table[cell[0]][cell[1]].startswith("refused") for cell in refused}


def test_table_with_a_lost_field_is_not_written():
    lost = Verdict(FIELDS[0], PLAIN, "lost", "the field changes nothing")
    with pytest.raises(ValueError, match="model, none: the field changes nothing"):
        render_table({"vllm": [lost]})


def test_cell_shows_both_engines_where_they_differ_and_numbers_the_reasons():
    found = {
        "vllm": [Verdict(field, column, "honoured") for field in FIELDS for column in COLUMNS],
        "remote": [
            Verdict(field, column, "refused", "x cannot be: it is so.") for field in FIELDS for column in COLUMNS
        ],
    }
    text = render_table(found)
    assert text.count("honoured; refused [1]") == len(FIELDS) * len(COLUMNS) and "\n1. it is so\n" in text
    assert render_table(parse_table(text, COLUMNS)) == text, "a table that is read is not the one that was written"
    assert shorten_reason("n asks for 2 answers, and one is made.") == "n asks for 2 answers, and one is made"
