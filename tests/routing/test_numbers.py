"""Telephone numbers and which of them may be dialled."""

import pytest

from intercom.routing.numbers import (
    REFUSED_PREFIXES,
    DialPolicy,
    country_prefix,
    is_e164,
    objection_to_writing,
    region_of,
    to_e164,
)


@pytest.mark.parametrize("text", ["+4790012345", "+12025550123", "+883510012345678"])
def test_plus_country_code_and_number_is_e164(text):
    assert is_e164(text)


@pytest.mark.parametrize(
    "text", ["", "112", "+112", "90012345", "004790012345", "+0790012345", "+47 900 12 345"]
)
def test_short_national_and_spaced_numbers_are_not_e164(text):
    assert not is_e164(text)


def test_digits_of_other_scripts_and_line_ends_are_not_e164():
    assert not is_e164("+47" + 8 * "\N{ARABIC-INDIC DIGIT NINE}")
    assert not is_e164("+4790012345\n")


def test_more_than_15_digits_are_not_e164():
    assert is_e164("+123456789012345")
    assert not is_e164("+1234567890123456")


@pytest.mark.parametrize(
    ("number", "prefix"),
    [("+4790012345", "+47"), ("+12025550123", "+1"), ("+35312345678", "+353"), ("+79", "+7")],
)
def test_country_code_has_one_two_or_three_digits(number, prefix):
    assert country_prefix(number) == prefix


@pytest.mark.parametrize("number", ["+4782912345", "+47580000000000", "+19005550123", "+88216"])
def test_premium_and_machine_numbers_are_never_dialled(number):
    assert DialPolicy().objection_to(number) is not None


def test_only_allowed_countries_are_dialled():
    policy = DialPolicy(allowed_prefixes=("+47", "+46"))

    assert policy.objection_to("+46701234567") is None
    assert "only numbers that begin with +47, +46" in str(policy.objection_to("+12025550123"))


def test_a_policy_that_allows_nothing_dials_nothing():
    assert DialPolicy(allowed_prefixes=()).objection_to("+4790012345") is not None


@pytest.mark.parametrize(
    "text", ["90012345", "900 12 345", "+47 900 12 345", "0047 90012345", "+47-900-12-345"]
)
def test_a_number_is_read_as_people_of_the_country_write_it(text):
    assert objection_to_writing(text, "NO") is None
    assert to_e164(text, "NO") == "+4790012345"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("112", "emergency"),
        ("02800", "short"),
        ("1881", "short"),
        ("call me", "no telephone number"),
        ("+47900123\N{ARABIC-INDIC DIGIT FOUR}5", "no telephone number"),
    ],
)
def test_what_only_a_telephone_of_the_country_could_call_is_refused_in_words(text, word):
    assert word in str(objection_to_writing(text, "NO"))


def test_a_national_number_without_a_country_is_refused_in_words():
    assert "begin it with +" in str(objection_to_writing("900 12 345", None))
    assert objection_to_writing("+47 900 12 345", None) is None


@pytest.mark.parametrize(
    ("number", "word"),
    [
        ("+4782012345", "premium"),
        ("+4781000000", "shared-cost"),
        ("+4780012345", "freephone"),
        ("+4781512345", "company"),
        ("+4788012345", "follow-me"),
        ("+4759012345", "machines"),
        ("+47580012345678", "machines"),
        ("+447012345678", "follow-me"),
        ("+448451234567", "premium"),
        ("+870773123456", "satellite"),
        ("+881612345678", "satellite"),
        ("+88216123456", "machines"),
        ("+883510012345", "machines"),
        ("+80012345678", "freephone"),
        ("+4711111111", "no such number"),
        ("+9991234567", "no country"),
    ],
)
def test_numbers_that_are_nobodys_telephone_are_refused_in_words(number, word):
    assert word in str(DialPolicy(refused_prefixes=REFUSED_PREFIXES).objection_to(number))


@pytest.mark.parametrize("number", ["+4790012345", "+4723506953", "+4785012345", "+46701234567"])
def test_mobile_fixed_and_internet_telephones_are_called(number):
    assert DialPolicy().objection_to(number) is None


def test_a_caller_id_tells_its_country():
    assert region_of("+4723506953") == "NO"
    assert region_of("+88216123456") is None
