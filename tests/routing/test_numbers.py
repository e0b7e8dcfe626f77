"""Telephone numbers and which of them may be dialled."""

import pytest

from intercom.routing.numbers import DialPolicy, country_prefix, is_e164


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
