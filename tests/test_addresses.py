"""Which addresses panels, phones and apps are told."""

from intercom.settings import Settings, addresses, load_settings
from intercom.settings.addresses import (
    advertised_address,
    advertised_media_address,
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
