"""Answers that are the subject of the sentence that announces them: `So 42 is the answer.`"""

import re
from collections.abc import Iterator

from cogitate.strategies.answers.answer_phrase import strip_markup
from cogitate.strategies.answers.bare_answer import is_expression_for

_MAX_CLAIMS = 8
_MAX_SENTENCE_CHARACTERS = 200
_CLAIM = re.compile(
    r"\b(?:is|are) (?:(?:therefore|thus|hence|indeed),? )?(?:the|our|my) (?:(?:final|correct|right) )?"
    r"(?:answer|solution|result)s?(?=[*_`]{0,3}\s{0,3}(?:[.!](?:\s|$)|$))",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE = re.compile(r"(?:[.!?:;]\s|\n)")
_LEAD = re.compile(
    r"(?:(?:so|thus|hence|therefore|and|then|finally|that|(?:i|we) (?:think|believe|find|see|conclude)"
    r"|(?:this|which|it) (?:means|shows))\b[, ]{1,3}){1,4}",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:if|unless|suppose|assuming|without|not|n't)\b", re.IGNORECASE)


def find_subject_answers(text: str, question: str) -> Iterator[str]:
    """Yield the numbers and expressions that a sentence calls the answer, last first; conditions yield none."""
    for claim in reversed([*_CLAIM.finditer(text)][-_MAX_CLAIMS:]):
        before = text[max(0, claim.start() - _MAX_SENTENCE_CHARACTERS) : claim.start()]
        sentence = _SENTENCE.split(before)[-1].strip()
        lead = _LEAD.match(sentence)
        value = strip_markup(sentence[lead.end() :] if lead else sentence)
        if value and not _CONDITION.search(sentence) and is_expression_for(question, value):
            yield value
