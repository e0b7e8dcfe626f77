"""Which addresses panels, phones and apps are told."""

import pytest

from intercom.errors import NotThereYetError
from intercom.settings import Settings, addresses, load_settings
from intercom.settings.addresses import (
    advertised_address,
    advertised_media_address,
    faces_of,
    is_only_loopback,
    media_bind_address,
)


def settings(**values: object) -> Settings:
    return load_settings(environment={"INTERCOM_CALLER_ID": "+4723506953"}, **values)


def test_the_bound_address_is_told_and_the_public_one_before_it():
    bound = settings(sip_host="127.0.0.1", media_host="127.0.0.1")
    mapped = settings(sip_host="127.0.0.1", public_address="192.0.2.9")

    assert advertised_address(bound) == advertised_media_address(bound) == "127.0.0.1"
    assert advertised_address(mapped) == advertised_media_address(mapped) == "192.0.2.9"


def test_media_is_bound_where_it_is_told_to_be_but_behind_nat_where_it_was_asked_to():
    bound = settings(sip_host="192.0.2.7")
    mapped = settings(public_address="192.0.2.9")

    assert media_bind_address(bound) == "192.0.2.7"
    assert media_bind_address(mapped) == "0.0.0.0"


def test_a_machine_without_a_route_is_noticed_unless_its_address_was_given(monkeypatch):
    monkeypatch.setattr(addresses, "_own_address", lambda any_host: "127.0.0.1")

    assert is_only_loopback(settings())
    assert not is_only_loopback(settings(sip_host="127.0.0.1"))
    assert not is_only_loopback(settings(public_address="192.0.2.9"))


def test_each_family_has_its_own_public_bound_and_media_address():
    both = settings(sip_host="0.0.0.0,2001:db8::7", public_address="2001:db8::9,192.0.2.9")

    v4, v6 = faces_of(both)

    assert v4 == ("0.0.0.0", "192.0.2.9", "0.0.0.0", "192.0.2.9")
    assert v6 == ("2001:db8::7", "2001:db8::9", "2001:db8::7", "2001:db8::9")


def test_a_family_without_a_public_address_is_told_the_machine_s_own(monkeypatch):
    monkeypatch.setattr(addresses, "_own_address", lambda any_host: "2001:db8::7")

    _, v6 = faces_of(settings(sip_host="0.0.0.0,::", public_address="192.0.2.9"))

    assert v6 == ("::", "2001:db8::7", "2001:db8::7", "2001:db8::7")


def test_a_public_name_stands_for_both_families_in_sip_and_is_looked_up_for_each_in_sdp(
    monkeypatch,
):
    dns = {("a.example", "127.0.0.1"): "192.0.2.9", ("a.example", "::1"): "2001:db8::9"}
    monkeypatch.setattr(addresses, "_ip_address_of", lambda host, like: dns[host, like])

    v4, v6 = faces_of(settings(sip_host="127.0.0.1,::1", public_address="a.example"))

    assert (v4.advertised, v4.media_advertised) == ("a.example", "192.0.2.9")
    assert (v6.advertised, v6.media_advertised) == ("a.example", "2001:db8::9")


def test_a_public_name_without_an_address_of_a_family_is_named():
    with pytest.raises(NotThereYetError, match=r"name\.invalid cannot be looked up for IPv4"):
        faces_of(settings(public_address="name.invalid"))


def test_media_has_the_family_of_its_own_address_and_else_that_of_sip():
    v4, v6 = faces_of(settings(sip_host="127.0.0.1,::1", media_host="127.0.0.2"))

    assert (v4.media_bind, v6.media_bind) == ("127.0.0.2", "::1")
