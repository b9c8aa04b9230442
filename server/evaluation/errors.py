"""Why there is nothing to measure, in one line: something is wrong with what was asked for, or with what answers."""


class CannotEvaluate(Exception):
    """Why, in one line. Each part has a kind of its own."""
