r"""An answer in LaTeX as the plain text that scorers read: `\text{False}` is `False`, `\frac{1}{2}` is `1/2`."""

import re

from cogitate.strategies.answers.boxed import find_last_box

_BOX = re.compile(r"\\(?:text|textbf|textit|texttt|mathrm|mathbf|mathit|mathsf|operatorname|mbox|emph)\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_SHORT_FRACTION = re.compile(r"\\[dtc]?frac\s*([0-9])\s*([0-9])")
_ROOT = re.compile(r"\\sqrt\s*\{([^{}]*)\}")
_POWER = re.compile(r"\^\s*\{([^{}]*)\}")
_MATRIX = re.compile(r"\\begin\{([a-z]*matrix|array|aligned|cases)\}(?:\{[clr| ]*\})?(.*?)\\end\{\1\}", re.DOTALL)
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("```", "```"), ("`", "`"), ("**", "**"))
_COMMANDS = {
    r"\div": "/", r"\pi": "pi", r"\le": "<=", r"\leq": "<=", r"\ge": ">=", r"\geq": ">=", r"\ne": "!=", r"\neq": "!=",
    r"\infty": "inf", r"\to": "->", r"\rightarrow": "->", r"\land": "&", r"\wedge": "&", r"\lor": "|", r"\vee": "|",
    r"\ldots": "...", r"\dots": "...", r"\left": "", r"\right": "", r"\quad": " ", r"\qquad": " ", r"\newline": "\n",
}  # fmt: skip
_COMMAND = re.compile(r"\\[A-Za-z]+")
_ESCAPED = re.compile(r"\\([%_$#&{}])")
_SPACE = re.compile(r"\\[,;:! ]|(?<=[0-9])\{,\}(?=[0-9])")
_PRODUCT = re.compile(r"\s*(?:\\times|\\cdot|×|·)(?![A-Za-z])\s*")
_ATOM = re.compile(r"-?[0-9.]+|[A-Za-z]\w*")
_MAX_NESTED = 6
MAX_CHARACTERS = 20_000


def plain_texts(raw: str) -> list[str]:
    """The readings of an answer as plain text, itself first: a product sign is tried as `*` and as `×`.

    Lower and upper case, digits and order stay as they are.
    """
    if len(raw) > MAX_CHARACTERS:
        return [raw]
    texts = [raw]
    for sign in (" * ", " × "):
        text = to_plain_text(raw, sign)
        if text and text not in texts:
            texts.append(text)
    return texts


def to_plain_text(raw: str, product: str = " * ") -> str:
    """The answer without LaTeX; `product` is the sign of a multiplication."""
    text = _strip_delimiters(raw)
    text = _MATRIX.sub(lambda matrix: _to_rows(matrix[2]), text)
    for _ in range(_MAX_NESTED):
        before = text
        text = _BOX.sub(r"\1", text)
        text = _FRACTION.sub(lambda part: f"{_wrap(part[1])}/{_wrap(part[2])}", text)
        text = _ROOT.sub(r"sqrt(\1)", text)
        text = _POWER.sub(lambda part: f"^{_wrap(part[1])}", text)
        if text == before:
            break
    text = _SPACE.sub(lambda space: " " if space[0][-1] in " ;:" else "", _SHORT_FRACTION.sub(r"\1/\2", text))
    text = _PRODUCT.sub(product, text)
    text = _COMMAND.sub(lambda command: _COMMANDS.get(command[0], command[0]), text).replace(r"\\", "\n")
    return _ESCAPED.sub(r"\1", text).strip()


def _strip_delimiters(text: str) -> str:
    for _ in range(_MAX_NESTED):
        before, text = text, text.strip()
        if text.startswith((r"\boxed", r"\fbox")):
            text = find_last_box(text) or text
        for opening, closing in _DELIMITERS:
            if len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing):
                text = text[len(opening) : -len(closing)]
        if text == before:
            break
    return text


def _to_rows(body: str) -> str:
    rows = (re.split(r"\s*&\s*", row.strip()) for row in body.split(r"\\"))
    return "\n".join(" ".join(cells) for cells in rows if any(cells))


def _wrap(text: str) -> str:
    bare = text.strip()
    return bare if _ATOM.fullmatch(bare) else f"({bare})"
