"""Unifies notation: Unicode symbols, LaTeX spacing and delimiters, fractions, text boxes."""

import re
import unicodedata

DOLLAR = "\x01"
"""Stands for a dollar sign that is a currency, where `$` may delimit mathematics."""

# NFKC alone would read 10² as 102, 101₂ as 1012 and 1½ as 11/2.
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_LOWERED = re.compile("[₀-₉]+")
_VULGAR = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞])")
_THIN_GROUP = re.compile("(?<=[0-9])[\u00a0\u2007\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_ROOT = re.compile(r"√\s*([0-9]+)")
_GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "o",
    "pi",
    "rho",
    "varsigma",
    "sigma",
    "tau",
    "upsilon",
    "phi",
    "chi",
    "psi",
    "omega",
]
_SYMBOLS = str.maketrans(
    {"−": "-", "–": "-", "—": "-", "⁄": "/", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "∙": r"\cdot "}
    | {"∞": r"\infty ", "√": r"\sqrt ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∅": r"\emptyset ", "∪": r"\cup "}
    | {"’": "'", "‘": "'", "′": "'", "“": '"', "”": '"', "~": " ", "\x00": " ", "\x01": " ", "±": r"\pm ", "∓": r"\mp "}
    | {"∈": r"\in ", "∨": r"\lor ", "∧": r"\land ", "∣": "|", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil "}
    | {"⌉": r"\rceil ", "⟨": r"\langle ", "⟩": r"\rangle ", "ℝ": r"\mathbb{R}", "∩": r"\cap ", "Δ": r"\Delta "}
    | {"Ω": r"\Omega ", "Σ": r"\Sigma ", "ϕ": r"\phi ", "∛": r"\sqrt[3]"}
    | {chr(0x3B1 + at): rf"\{name} " for at, name in enumerate(_GREEK)}
)
_DIGIT_GROUP = re.compile(r"(?<=[0-9])(?:,\s*\\!\s*|\{,\}\s*|\\[,;: ]\s*)(?=[0-9]{3}(?![0-9]))")
_SPACING = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|qquad|quad|[bB]igg?[lrm]?|limits)(?![A-Za-z])|\\[!,;: ()\[\]]|\\\\|\$"
)
_WRAPPER = re.compile(r"\\(?:mathbf|textbf|mathit|textit|boxed|fbox|emph|boldsymbol|mathsf|texttt)\s*\{([^{}]*)\}")
_DEGREE = re.compile(r"\s*(?:\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|\\degree(?![A-Za-z])|[˚])")
_PERCENT = re.compile(r"\\%|\b(?:percent|per cent)\b", re.IGNORECASE)
_CURRENCY = re.compile(r"\\\$|(?<![$0-9A-Za-z}])\$(?=\s*-?\.?[0-9][^$]*$)")

_REWRITES = (
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\[dt]binom(?![A-Za-z])"), r"\\binom"),
    (re.compile(r"\\frac\s*([0-9])(?=\s*[0-9a-zA-Z{\\])"), r"\\frac{\1}"),
    (re.compile(r"\\frac\s*\{([^{}]*)\}\s*([0-9a-zA-Z])"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\frac\s*\{([^{}]*)\}\s*(\\(?:pi|theta|alpha|beta)(?![A-Za-z]))"), r"\\frac{\1}{\2}"),
    (re.compile(r"\{([^{}]*)\\over(?![A-Za-z])([^{}]*)\}"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\frac\s*\{\s*-\s*([0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}"), r"-\\frac{\1}{\2}"),
    (re.compile(r"\\frac\s*\{\s*([0-9]+)\s*\}\s*\{\s*-\s*([0-9]+)\s*\}"), r"-\\frac{\1}{\2}"),
    (re.compile(r"\\sqrt\s*([0-9])"), r"\\sqrt{\1}"),
    (re.compile(r"([\^_])\s*\{\s*(\w)\s*\}"), r"\1\2"),
    (re.compile(r"\\varnothing(?![A-Za-z])"), r"\\emptyset"),
    (re.compile(r"\\(?:leq|leqslant)(?![A-Za-z])|<=|=<"), r"\\le "),
    (re.compile(r"\\(?:geq|geqslant)(?![A-Za-z])|>="), r"\\ge "),
    (re.compile(r"\\lt(?![A-Za-z])"), "<"),
    (re.compile(r"\\gt(?![A-Za-z])"), ">"),
    (re.compile(r"\\neq(?![A-Za-z])|!="), r"\\ne "),
    (re.compile(r"\\(?:vert|mid|lvert|rvert)(?![A-Za-z])"), "|"),
    (re.compile(r"\\colon(?![A-Za-z])"), ":"),
    (re.compile(r"\\lbrace(?![A-Za-z])"), r"\\{"),
    (re.compile(r"\\rbrace(?![A-Za-z])"), r"\\}"),
    (re.compile(r"\\langle(?![A-Za-z])"), "("),
    (re.compile(r"\\rangle(?![A-Za-z])"), ")"),
    (re.compile(r"\\operatorname\*?\{(arcsin|arccos|arctan|sin|cos|tan|ln|log|exp)\}"), r"\\\1 "),
    (re.compile(r"\\mathrm\{(e|i|d|A|B|C|D)\}"), r"\1"),
    (re.compile(r"=="), "="),
    (re.compile(r"(?<=[0-9])\s*x\s*10\s*(?=\^|\*\*)"), r"\\times 10"),
)


def fold_unicode(text: str) -> str:
    """Apply NFKC, after rewriting exponents, indices, mixed fractions and mathematical symbols as LaTeX."""
    text = _THIN_GROUP.sub("", text.replace("º", "°"))
    text = _RAISED.sub(lambda run: f"^{{{unicodedata.normalize('NFKC', run[0])}}}", text)
    text = _LOWERED.sub(lambda run: f"_{{{unicodedata.normalize('NFKC', run[0])}}}", text)
    text = unicodedata.normalize("NFKC", _VULGAR.sub(" ", text))
    return _ROOT.sub(r"\\sqrt{\1}", text).translate(_SYMBOLS)


def strip_layout(text: str) -> str:
    """Remove delimiters, spacing and font commands; `\\text` stays, and a currency's dollar sign becomes DOLLAR."""
    text = _CURRENCY.sub(DOLLAR, _DIGIT_GROUP.sub("", fold_unicode(text)))
    text = _SPACING.sub(lambda mark: mark[0] if mark[0] == r"\\" else " ", text)
    text = _PERCENT.sub("%", _DEGREE.sub("°", _WRAPPER.sub(r"\1", text)))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text.strip()
