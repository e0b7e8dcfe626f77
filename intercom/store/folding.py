"""Texts as they are searched and put in order: without case and accents, numbers by their size."""

import re
import unicodedata

_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "ß": "ss", "đ": "d", "ð": "d", "þ": "th", "ł": "l"})
"""Letters of their own, which Unicode takes apart into nothing."""
_NUMBER = re.compile(r"\d+", re.ASCII)
_WIDTH = 6
_LONGEST = 128


def folded(text: str) -> str:
    """Give a text as search compares it: "Øystein Åsgård" and "oystein asgard" are one."""
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    plain = "".join(each for each in apart if not unicodedata.combining(each))
    return " ".join(plain.split())[:_LONGEST]


def in_order(text: str) -> str:
    """Give a text as lists put it in order: "H2" before "H10"."""
    return _NUMBER.sub(lambda number: number[0].zfill(_WIDTH), folded(text))[:_LONGEST]
