"""Unifies notation: Unicode symbols, LaTeX spacing and delimiters, fractions, text boxes."""

import re
import unicodedata

# NFKC alone would read 10² as 102, 101₂ as 1012 and 1½ as 11/2.
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_LOWERED = re.compile("[₀-₉]+")
_VULGAR = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞])")
_ROOT = re.compile(r"√\s*([0-9]+)")
_SYMBOLS = str.maketrans(
    {"−": "-", "–": "-", "—": "-", "⁄": "/", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "π": r"\pi "}
    | {"∞": r"\infty ", "√": r"\sqrt ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∅": r"\emptyset ", "∪": r"\cup "}
    | {"’": "'", "‘": "'", "“": '"', "”": '"', "~": " ", "\x00": " "}
)
_DIGIT_GROUP = re.compile(r"(?<=[0-9])(?:,\\!|\{,\}|\\,)(?=[0-9]{3}(?![0-9]))")
_SPACING = re.compile(r"\\(?:left|right|displaystyle|qquad|quad)(?![A-Za-z])|\\[!,;: ()\[\]$]|\\\\|\$")
_WRAPPER = re.compile(r"\\(?:mathbf|textbf|mathit|textit|boxed|fbox)\s*\{([^{}]*)\}")
_DEGREE = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|\\degree(?![A-Za-z])|[°˚]")
_PERCENT = re.compile(r"\\%|\bpercent\b", re.IGNORECASE)
_CURRENCY = re.compile(r"[€£¥₹](?=\s*[0-9])|(?<=[0-9])\s*[€£¥₹]")

_REWRITES = (
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\frac\s*([0-9])(?=\s*[0-9{])"), r"\\frac{\1}"),
    (re.compile(r"\\frac\s*\{([^{}]*)\}\s*([0-9])"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\frac\s*\{\s*-\s*([0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}"), r"-\\frac{\1}{\2}"),
    (re.compile(r"\\frac\s*\{\s*([0-9]+)\s*\}\s*\{\s*-\s*([0-9]+)\s*\}"), r"-\\frac{\1}{\2}"),
    (re.compile(r"\\sqrt\s*([0-9])"), r"\\sqrt{\1}"),
    (re.compile(r"([\^_])\s*\{\s*(\w)\s*\}"), r"\1\2"),
    (re.compile(r"\\varnothing(?![A-Za-z])"), r"\\emptyset"),
    (re.compile(r"\\leq(?![A-Za-z])"), r"\\le"),
    (re.compile(r"\\geq(?![A-Za-z])"), r"\\ge"),
)


def fold_unicode(text: str) -> str:
    """Applies NFKC, after rewriting exponents, indices, mixed fractions and mathematical symbols as LaTeX."""
    text = _RAISED.sub(lambda run: f"^{{{unicodedata.normalize('NFKC', run[0])}}}", text.replace("º", "°"))
    text = _LOWERED.sub(lambda run: f"_{{{unicodedata.normalize('NFKC', run[0])}}}", text)
    text = unicodedata.normalize("NFKC", _VULGAR.sub(" ", text))
    return _ROOT.sub(r"\\sqrt{\1}", text).translate(_SYMBOLS)


def strip_layout(text: str) -> str:
    """Removes delimiters, spacing, font commands, degree and currency signs; `\\text` stays."""
    text = _DIGIT_GROUP.sub("", fold_unicode(text))
    text = _SPACING.sub(lambda mark: mark[0] if mark[0] == r"\\" else " ", text)
    text = _CURRENCY.sub("", _PERCENT.sub("%", _DEGREE.sub("", _WRAPPER.sub(r"\1", text))))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text.strip()
