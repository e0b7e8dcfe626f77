"""Telephone numbers: the one way they are written, and which of them may ever be dialled."""

import re
from dataclasses import dataclass

E164 = re.compile(r"\+[1-9][0-9]{6,14}")  # ITU-T E.164 §6: at most 15 digits
"""Emergency and other short numbers have no such form, so they cannot even be written down."""

_ONE_DIGIT_CODES = frozenset({"1", "7"})  # ITU-T E.164, list of assigned country codes
_TWO_DIGIT_CODES = frozenset(
    {"20", "27", *map(str, range(30, 35)), "36", "39", "40", "41", *map(str, range(43, 50))}
    | {*map(str, range(51, 59)), *map(str, range(60, 67)), "81", "82", "84", "86"}
    | {*map(str, range(90, 96)), "98"}
)

REFUSED_PREFIXES = (
    "+4758",  # Norway: machine-to-machine, twelve digits
    "+4759",  # Norway: machine-to-machine, eight digits
    "+47820",  # Norway: premium rate
    "+47829",  # Norway: premium rate
    "+46900",  # Sweden: premium rate
    "+46939",  # Sweden: premium rate
    "+46944",  # Sweden: premium rate
    "+4590",  # Denmark: premium rate
    "+44909",  # United Kingdom: premium rate
    "+1900",  # North America: premium rate
    "+979",  # international premium rate
    "+882",  # international networks, satellite and machine-to-machine
    "+883",  # international networks, satellite and machine-to-machine
)


def is_e164(text: str) -> bool:
    """Tell whether a number is written as +, country code, national number; digits alone."""
    return E164.fullmatch(text) is not None


def country_prefix(number: str) -> str:
    """Give an E.164 number's country code with its +, such as +47."""
    digits = number.removeprefix("+")
    if digits[:1] in _ONE_DIGIT_CODES:
        return "+" + digits[:1]
    return "+" + digits[: 2 if digits[:2] in _TWO_DIGIT_CODES else 3]


@dataclass(frozen=True, slots=True)
class DialPolicy:
    """Which numbers may be dialled: some of the allowed prefixes, none of the refused ones."""

    allowed_prefixes: tuple[str, ...] = ("+",)
    refused_prefixes: tuple[str, ...] = REFUSED_PREFIXES

    def objection_to(self, number: str) -> str | None:
        """Say in words why a number is never dialled; None: it may be."""
        if not is_e164(number):
            return "it is not written in E.164, such as +4790012345"
        for prefix in self.refused_prefixes:
            if number.startswith(prefix):
                return f"numbers that begin with {prefix} are premium-rate or belong to machines"
        if not number.startswith(self.allowed_prefixes):
            return f"only numbers that begin with {', '.join(self.allowed_prefixes)} may be called"
        return None
