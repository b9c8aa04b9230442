"""Finds the program in a reply, as people and models write them: in one fence or several, at a prompt, or bare."""

import re
import textwrap
from collections.abc import Iterator

from cogitate.strategies.core.quoting import strip_thinking

MAX_SOURCE_CHARACTERS = 60_000
"""The last so many characters of a reply are searched."""
MAX_BLOCKS = 32
_FENCE = re.compile(r"[ \t>]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)")
_LANGUAGE = re.compile(r"\{?\.?(?:python(?:[ ]?[23](?:\.\d+)?)?|py3?|pycon|ipython3?|repl|tool_code)\b", re.IGNORECASE)
_TAGS = (("[PYTHON]", "[/PYTHON]"), ("<code>", "</code>"), ("<python>", "</python>"), ("<program>", "</program>"))
_ENTRY = re.compile(r"^(?:async[ ]+)?def[ ]+solution\b|^solution[ ]*=", re.MULTILINE)
_NEEDS_ARGUMENTS = re.compile(r"^def[ ]+solution[ ]*\([ ]*[A-Za-z_]\w*[ ]*(?::[^,=)]*)?[,)]", re.MULTILINE)
_LOOKS_LIKE_PYTHON = re.compile(
    r"^(?:def |class |import |from \w+ import |print\(|for \w+ in |\w+[ ]*=[ ]*\S)", re.MULTILINE
)
_DEFINED = re.compile(
    r"^(?:(?:async[ ]+)?def|class)[ ]+(\w+)|^(\w+)(?:[ ]*:[^=\n]+)?[ ]*=(?!=)|^import[ ]+([^\n]+)"
    r"|^from[ ]+\S+[ ]+import[ ]+([^\n]+)",
    re.MULTILINE,
)
_USED = re.compile(r"(?<![.\w'\"])[A-Za-z_]\w*")
_BARE_START = re.compile(r"^(?:import \w|from \w[\w.]* import |def \w+\(|class \w+|@\w)", re.MULTILINE)
_STATEMENT = re.compile(
    r"(?:def|class|import|from|if|elif|else|for|while|with|try|except|finally|return|print|assert|raise|pass|global)\b"
    r"|[@#)\]}'\"]|[A-Za-z_][\w.\[\]\"', ]*(?:[+*/%-]|//|\*\*)?=(?!=)|[A-Za-z_][\w.]*\("
)


def extract_program(text: str) -> str | None:
    """Return the program of a reply, ignoring its thinking; None where there is none, or it was cut off.

    It is the last block that defines `solution`, else the last block of Python; earlier blocks are put before it where
    it uses what they define, and later ones after it where `solution` needs arguments.
    """
    text = strip_thinking(text).replace("\r\n", "\n")[-MAX_SOURCE_CHARACTERS:]
    blocks = [block for block in _find_blocks(text) if block.strip()][-MAX_BLOCKS:]
    if not blocks:
        return _find_bare_program(text) if "```" not in text and "~~~" not in text else None
    entries = [at for at, block in enumerate(blocks) if _ENTRY.search(block)]
    target = entries[-1] if entries else len(blocks) - 1
    chosen = _add_definitions(blocks, target)
    if entries and _NEEDS_ARGUMENTS.search(blocks[target]):
        chosen += [block for block in blocks[target + 1 :] if "solution(" in block]
    return "\n".join(chosen) if len(chosen) > 1 else chosen[0]


def strip_prompts(block: str) -> str:
    """Return the code of an interpreter's session, without its prompts and its output; other code unchanged."""
    if not re.search(r"^>>> ?", block, re.MULTILINE):
        return block
    lines = [line[4:] for line in block.splitlines() if line.startswith((">>> ", "... "))]
    return "\n".join(lines) + "\n"


def _find_blocks(text: str) -> Iterator[str]:
    """Yield the blocks of Python, in order: fenced as such, fenced without a language but like it, or tagged."""
    is_fenced = False
    for info, body in _find_fences(text):
        is_fenced = True
        if _LANGUAGE.match(info) or (not info and _is_python(body)):
            yield strip_prompts(textwrap.dedent(body))
    if not is_fenced:
        yield from (strip_prompts(textwrap.dedent(body)) for body in _find_tags(text))


def _find_fences(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language and the lines of each fenced block that is closed."""
    opened, info, lines = "", "", list[str]()
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if not fence:
            lines.append(line)
        elif opened and fence["fence"].startswith(opened) and not fence["info"].strip():
            yield info, "\n".join((*lines, ""))
            opened = ""
        elif not opened or _LANGUAGE.match(fence["info"]):
            opened, info, lines = fence["fence"], fence["info"].strip(), []
        else:
            lines.append(line)


def _find_tags(text: str) -> Iterator[str]:
    for opening, closing in _TAGS:
        start = text.find(opening)
        while start >= 0 and (end := text.find(closing, start)) >= 0:
            yield text[start + len(opening) : end].lstrip("\n")
            start = text.find(opening, end)


def _is_python(body: str) -> bool:
    return bool(_LOOKS_LIKE_PYTHON.search(body) or body.lstrip().startswith(">>>"))


def _add_definitions(blocks: list[str], target: int) -> list[str]:
    """The target, after the earlier blocks that define names which it, or one of those, uses without defining them."""
    chosen = [blocks[target]]
    missing = set(_USED.findall(blocks[target])) - _find_definitions(blocks[target])
    for block in reversed(blocks[:target]):
        names = _find_definitions(block)
        if names & missing:
            chosen.insert(0, block)
            missing = (missing - names) | (set(_USED.findall(block)) - names)
    return chosen


def _find_definitions(block: str) -> set[str]:
    names: set[str] = set()
    for definition in _DEFINED.finditer(block):
        imported = definition[3] or definition[4] or ""
        names |= {part.split(" as ")[-1].strip(" ()\\").partition(".")[0] for part in imported.split(",")}
        names |= {definition[1] or definition[2] or ""}
    return names - {""}


def _find_bare_program(text: str) -> str | None:
    """The lines from the first definition or import on that read as code, where they define `solution`."""
    if text.lstrip().startswith(">>>"):
        text = strip_prompts(text)
    start = _BARE_START.search(text)
    if start is None:
        return None
    lines = list[str]()
    for line in text[start.start() :].splitlines():
        if line.strip() and not line[0].isspace() and not _STATEMENT.match(line):
            break
        lines.append(line)
    source = "\n".join(lines).rstrip() + "\n"
    return source if _ENTRY.search(source) else None
