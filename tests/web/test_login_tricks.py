"""Ways round the limits on guessing that somebody tries: another spelling, a forged sender."""

import pytest

from intercom.link.guessing import GuessLimits, source_key, source_of
from tests.web.desk import ANNA, PASSWORD, browser_like, log_in, open_desk

LIMITS = GuessLimits(failures=3, source_failures=1000)
SPELLINGS = (ANNA, f" {ANNA}", f"{ANNA}  ", f"\t{ANNA}\u2003", ANNA.upper(), f"\u00a0{ANNA}")


async def test_a_name_is_locked_in_every_spelling_of_it():
    async with open_desk(limits=LIMITS) as desk, browser_like() as client:
        for spelling in SPELLINGS[:3]:
            assert (await log_in(client, desk, spelling, "wrong")).status == 401

        for spelling in SPELLINGS:
            assert (await log_in(client, desk, spelling, PASSWORD)).status == 429


async def test_a_sender_that_the_client_forges_beside_the_proxys_word_counts_for_nothing():
    limits = GuessLimits(failures=1000, source_failures=3)
    async with open_desk(limits=limits) as desk, browser_like() as client:
        statuses = []
        for number in range(5):
            forged = [("X-Forwarded-For", f"198.51.100.{number}"), ("X-Forwarded-For", "192.0.2.1")]
            body = {"username": "nobody", "password": "wrong"}
            answer = await client.post(f"{desk.url}/api/login", json=body, headers=forged)
            statuses.append(answer.status)

    assert statuses == [401, 401, 401, 429, 429]


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
    ],
)
def test_ipv4_in_ipv6_is_a_source_of_its_own(address, key):
    assert source_key(address) == key


def test_a_proxy_on_this_machine_is_believed_also_over_ipv6():
    assert source_of("::ffff:127.0.0.1", "192.0.2.1") == "192.0.2.1"
    assert source_of("::ffff:198.51.100.1", "192.0.2.1") == "::ffff:198.51.100.1"
