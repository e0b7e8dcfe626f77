"""Telephone numbers: how people write them, the one way they are kept, which may ever be dialled.

Numbering plans are those of the `phonenumbers` library: tables without I/O. They are asked when a
building is loaded, never at a press.
"""

import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

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

_CALLABLE_KINDS = frozenset(
    {
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.VOIP,
    }
)
"""What a person's telephone can have; all else costs extra, or has no person at its end."""
_REFUSED_KINDS: dict[int, str] = {
    PhoneNumberType.PREMIUM_RATE: "it is a premium-rate number",
    PhoneNumberType.SHARED_COST: "it is a shared-cost number",
    PhoneNumberType.TOLL_FREE: "it is a freephone number, no person's telephone",
    PhoneNumberType.PERSONAL_NUMBER: "it is a follow-me number, charged like premium rate",
    PhoneNumberType.PAGER: "it is a pager",
    PhoneNumberType.UAN: "it is a company's access number, no person's telephone",
    PhoneNumberType.VOICEMAIL: "it is a voicemail",
}
_NO_COUNTRY = {  # ITU-T E.164, list of assigned country codes: codes that no country has
    800: "it is an international freephone number",
    808: "it is an international shared-cost number",
    870: "it belongs to a satellite network",
    878: "it is a universal personal number",
    881: "it belongs to a satellite network",
    882: "it belongs to an international network of machines, ships or satellites",
    883: "it belongs to an international network of machines, ships or satellites",
    888: "it belongs to no telephone network",
    979: "it is an international premium-rate number",
}
_WRITTEN = re.compile(r"[+0-9][0-9 ()./-]{1,30}", re.ASCII)
_SHORTEST = 7  # digits, as in `E164`


def is_e164(text: str) -> bool:
    """Tell whether a number is written as +, country code, national number; digits alone."""
    return E164.fullmatch(text) is not None


def country_prefix(number: str) -> str:
    """Give an E.164 number's country code with its +, such as +47."""
    digits = number.removeprefix("+")
    if digits[:1] in _ONE_DIGIT_CODES:
        return "+" + digits[:1]
    return "+" + digits[: 2 if digits[:2] in _TWO_DIGIT_CODES else 3]


def region_of(number: str) -> str | None:
    """Give the country of an E.164 number as ISO 3166 has it, such as NO."""
    try:
        code = phonenumbers.parse(number).country_code or 0
    except phonenumbers.NumberParseException:
        return None
    region: str = phonenumbers.region_code_for_country_code(code)
    return region if len(region) == 2 and region != "ZZ" else None


def objection_to_writing(text: str, region: str | None) -> str | None:
    """Say why a text is no telephone number that could be called; None: `to_e164` can read it."""
    digits = sum(each.isdecimal() for each in text)
    if not _WRITTEN.fullmatch(text):
        return "it is no telephone number: write +4790012345 or 900 12 345"
    if region and phonenumbers.is_emergency_number(text, region):
        return "it is an emergency number"
    if digits < _SHORTEST:
        return "it is a short number, which only telephones of its own country or network can call"
    if to_e164(text, region) is None:
        return "its country is not known: begin it with + and the country code, such as +4790012345"
    return None


def to_e164(text: str, region: str | None) -> str | None:
    """Read a number as people of a region write it: 900 12 345, 0047…, +47 …; None: unreadable."""
    if is_e164(text):
        return text
    if not _WRITTEN.fullmatch(text):
        return None
    plain = "".join(each for each in text if each.isdigit() or each == "+")
    if plain.startswith("00"):  # ITU-T E.123 has +; 00 is what most of the world dials for it
        plain = "+" + plain[2:]
    try:
        number = phonenumbers.parse(plain, region)
    except phonenumbers.NumberParseException:
        return None
    written: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written if is_e164(written) else None


def objection_to_kind(number: str) -> str | None:
    """Say why nobody's telephone has this E.164 number, by its country's numbering plan."""
    try:
        parsed: PhoneNumber = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return "no country has its country code"
    if (words := _NO_COUNTRY.get(parsed.country_code or 0)) is not None:
        return words
    kind = phonenumbers.number_type(parsed)
    if kind in _CALLABLE_KINDS:
        return None
    return _REFUSED_KINDS.get(kind, "its country's numbering plan has no such number")


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
        objection = objection_to_kind(number)
        if objection is not None:
            return objection
        if not number.startswith(self.allowed_prefixes):
            prefixes = ", ".join(self.allowed_prefixes)
            return f"only numbers that begin with {prefixes} may be called (INTERCOM_DIAL_PREFIXES)"
        return None
