"""The table in deploy/results/fields.md, held to the fields and the refusals of today."""

import re

import pytest

from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live
from tests.fields.engines import PROGRAMS
from tests.fields.fields import FIELDS
from tests.fields.matrix import COLUMNS, PLAIN
from tests.fields.requests import Server
from tests.fields.write_table import FILE, Verdict, rows, short, title, told, written

ENGINES_OWN = ("thinking_token_budget",)
"""Refused by the engine itself: the demo model does not reason."""
TOLD_APART = ("model", "strategy")
"""Their checks ask for what does not exist."""


def test_every_field_of_a_request_is_in_the_table():
    assert {field.name for field in FIELDS} == set(ChatRequest.model_fields)
    assert len({field.title for field in FIELDS}) == len(FIELDS)


def test_the_file_has_every_field_and_every_strategy():
    assert list(rows(FILE.read_text())) == [title(field) for field in FIELDS]
    assert all(tuple(cells) == COLUMNS for cells in rows(FILE.read_text()).values())


def test_a_cell_of_the_file_says_one_of_three_things():
    known = re.compile(r"honoured|accepted|refused \[\d+\]")
    assert all(known.fullmatch(cell) for cells in rows(FILE.read_text()).values() for cell in cells.values())


@pytest.mark.live
def test_what_the_file_calls_refused_is_what_the_server_refuses():
    table, refused = rows(FILE.read_text()), {}
    with live(ScriptedEngine(["so \\boxed{7}"])) as server:
        server.service.settings = PROGRAMS
        for field in FIELDS:
            if field.name in (*ENGINES_OWN, *TOLD_APART):
                continue
            for column in COLUMNS:
                trial = field.trial(Server(server.url, None), None if column == PLAIN else column)
                answer = server.ask(**trial.body(**trial.own, model="scripted"))
                assert answer.status_code in (200, 400), answer.text
                refused[title(field), column] = answer.status_code == 400
                if answer.status_code == 400:
                    named = answer.json()["error"]["param"]
                    refused[title(field), column] = named in (field.name, *field.needs)
                    assert refused[title(field), column] or named in field.beside
    assert refused == {cell: table[cell[0]][cell[1]].startswith("refused") for cell in refused}


def test_a_lost_field_is_no_row_of_a_table():
    lost = Verdict(FIELDS[0], PLAIN, "lost", "the field changes nothing")
    with pytest.raises(ValueError, match="model, none: the field changes nothing"):
        written({"vllm": [lost]})


def test_engines_that_differ_are_told_apart_and_reasons_are_numbered():
    found = {
        "vllm": [Verdict(field, column, "honoured") for field in FIELDS for column in COLUMNS],
        "remote": [
            Verdict(field, column, "refused", "x cannot be: it is so.") for field in FIELDS for column in COLUMNS
        ],
    }
    text = written(found)
    assert text.count("honoured; refused [1]") == len(FIELDS) * len(COLUMNS) and "\n1. it is so\n" in text
    assert written(told(text, COLUMNS)) == text, "a table that is read is not the one that was written"
    assert short("n asks for 2 answers, and one is made.") == "n asks for 2 answers, and one is made"
