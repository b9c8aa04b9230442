"""The progress bar."""

from io import StringIO

from cogitate.server.evaluation.progress import Progress


def test_bar_shows_count_and_token_rate():
    output = StringIO()
    with Progress("answers", 3, output, delay=0) as progress:
        for _ in range(3):
            progress.advance(7)
    assert "answers: 100%" in output.getvalue() and "3/3" in output.getvalue()
    assert "tokens/s" in output.getvalue()


def test_short_run_shows_no_bar():
    output = StringIO()
    with Progress("answers", 1, output) as progress:
        progress.advance()
    assert output.getvalue() == ""
