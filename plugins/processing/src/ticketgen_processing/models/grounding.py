"""Finds in a written text what the source does not have: names, identifiers, numbers, addresses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from ticketgen_processing.models.facts import Facts, number_of, plain, stem, words_of

__all__ = ["addresses_in", "unfounded"]

_ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.|\bmailto:|\b(?:javascript|data):)\S+"
    r"|[\w.+-]+@[\w-]+\.\w[\w.-]*",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"“([^”]*)”|\"([^\"]*)\"|„([^“”]*)[“”]|«([^»]*)»|`([^`]*)`"
    r"|(?<!\w)‘([^’]*)’(?!\w)|(?<!\w)'([^']*)'(?!\w)"
)
_IDENTIFIER = re.compile(
    r"(?=\S)(?:"
    r"[^\s“”\"]*\w_\w[^\s“”\"]*"  # field_image
    r"|[^\s“”\"]*[^\W\d_]\w*(?:\.|::?|->)[^\W\d]\w*[^\s“”\"]*"  # node.article, node:title
    r"|[^\s“”\"]*\[[^\s“”\"]+\][^\s“”\"]*"  # news/[title]
    r"|(?<!\w)/\w[^\s“”\"]*"  # /news
    r"|\b[a-z]+[A-Z]\w*"  # fieldImage
    r"|\b[^\W\d_]+\d\w*"  # col3
    r")"
)
_ABBREVIATION = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?\.?", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_ROW = re.compile(r"\brows?\s+(\d+)", re.IGNORECASE)
_MORE = re.compile(r"\b(\d+)\s+(?:more|others?)\b", re.IGNORECASE)
_MEASURE = re.compile(
    r"(\d+(?:[.,]\d+)*)[\s-]*(?:%|×|x\b|°|[$€£]|px|pixels?|(?:milli)?seconds?|minutes?|hours?|days?"
    r"|weeks?|months?|years?|characters?|words?|lines?|[kmg]i?b|bytes?|percent|dollars?|euros?)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n+")
_WORD = re.compile(r"[^\W\d_][\w'’]*")
_FIELD = re.compile(
    r"\b(?:the|an?|its|each|every|this|that)\s+((?:[\w'’-]+\s+){1,3}?)(?:field|column)s?\b",
    re.IGNORECASE,
)

_CAPITALS = """
    i drupal cms css html http https url urls api apis seo json xml csv pdf rss ui ux id ids qa ok
    javascript wysiwyg english iphone youtube content site web editor author administrator admin
    manager visitor developer user reader owner member reviewer builder team project story ticket
    specification role page
"""
_MAY_BE_CAPITAL = frozenset(_CAPITALS.split())
"""Words that are written with a capital letter and name nothing of a site."""

_ATTRIBUTES = """
    a an all any additional above actual and another applicable appropriate associated available
    certain completed configured corresponding custom date default defined description different
    editable email empty entity every existing filled first following formatted given group grouped
    hidden image individual key last link list listed long main mandatory matching media missing
    multi multiple name named necessary new next number of only optional or other own plain
    populated present previous proper reference referenced related relevant remaining repeatable
    required respective rich same searchable second select separate short single source specific
    specified such target taxonomy term text third title total translatable translated unlisted used
    valued various visible whole one two three four five six seven eight nine ten
"""
_OF_FIELDS = frozenset(_ATTRIBUTES.split())
"""What a field or column may be said to be without being named."""


def unfounded(texts: Iterable[str], facts: Facts) -> tuple[str, ...]:
    """What the texts name and the facts do not, in the words of the texts, each once.

    It goes by spelling: case, punctuation and plural do not matter, ordinary words pass. A wrong
    sentence made of right words is not seen.
    """
    found = (one for text in texts for one in _strangers(_normal(text), facts))
    return tuple(dict.fromkeys(one for one in found if one))


def addresses_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Web and e-mail addresses, whether the source has them or not."""
    found = (match[0] for text in texts for match in _ADDRESS.finditer(_normal(text)))
    return tuple(dict.fromkeys(found))


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _strangers(text: str, facts: Facts) -> Iterator[str]:
    quoted = [group for match in _QUOTED.finditer(text) for group in match.groups() if group]
    yield from (name for name in quoted if not _is_phrase(name, facts))
    rest = _QUOTED.sub(" “” ", text)
    for pattern, known in ((_ADDRESS, _is_written), (_IDENTIFIER, _is_identifier)):
        for match in pattern.finditer(rest):
            if not known(match[0], facts):
                yield _trimmed(match[0])
        rest = pattern.sub(lambda match: "x" if _ABBREVIATION.fullmatch(match[0]) else " ", rest)
    yield from _numbers(rest, facts)
    yield from _names(rest, facts)
    yield from _fields(rest, facts)


def _trimmed(token: str) -> str:
    return token.strip(".,;:!?…()'’*")


def _is_phrase(name: str, facts: Facts) -> bool:
    phrase = plain(name)
    if not phrase or f" {phrase} " in facts.phrases:
        return True
    # A name in the plural, or the singular of one that the sheets have in the plural.
    *before, last = phrase.split()
    start = " ".join([*before, stem(last)])
    return re.search(rf" {re.escape(start)}(?:s|es)? ", facts.phrases) is not None


def _is_written(token: str, facts: Facts) -> bool:
    wanted = _trimmed(token).casefold()
    return not wanted or re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", facts.raw) is not None


def _is_identifier(token: str, facts: Facts) -> bool:
    if _ABBREVIATION.fullmatch(token.strip("(),;")):
        return True
    return (
        _is_written(token, facts)
        or _trimmed(token).casefold() in _MAY_BE_CAPITAL
        or f" {plain(token)} " in facts.phrases
    )


def _numbers(text: str, facts: Facts) -> Iterator[str]:
    rows = {match[1] for match in _ROW.finditer(text) if int(match[1]) in facts.rows}
    more = {match[1] for match in _MORE.finditer(text) if int(match[1]) < facts.most}
    measures = set(_MEASURE.findall(text))
    for found in _NUMBER.findall(text):
        number = number_of(found)
        counted = (
            found not in measures
            and number.isdecimal()
            and len(number) < 9
            and int(number) in facts.counts
        )
        if not counted and number not in facts.numbers and found not in rows | more:
            yield found


def _names(text: str, facts: Facts) -> Iterator[str]:
    for sentence in _SENTENCE.split(text):
        for match in list(_WORD.finditer(sentence))[1:]:
            word = re.sub(r"['’]s?$", "", match[0])
            if word[:1].isupper() and not _is_word(word, facts):
                yield word


def _is_word(word: str, facts: Facts) -> bool:
    folded = stem(word.casefold())
    return (
        word.casefold() in _MAY_BE_CAPITAL
        or folded in _MAY_BE_CAPITAL
        or folded in facts.words
        or all(stem(part) in facts.words for part in words_of(word))
    )


def _fields(text: str, facts: Facts) -> Iterator[str]:
    for match in _FIELD.finditer(text):
        words = re.findall(r"[^\W_]+", match[1].casefold())
        strange = [word for word in words if not _is_of_fields(word, facts)]
        if strange:
            yield f"{match[1].strip()} field"


def _is_of_fields(word: str, facts: Facts) -> bool:
    return word in _OF_FIELDS or word.isdecimal() or stem(word) in facts.words
