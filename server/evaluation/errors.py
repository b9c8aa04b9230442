"""The base class of errors that end an evaluation with one line."""


class CannotEvaluate(Exception):
    """The evaluation cannot go on. The message is one line that states the cause and, where there is one, the remedy.

    Each module of this package derives its own error from this class.
    """
