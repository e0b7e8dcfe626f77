"""What a building file may say of its trunks, and what is said back."""

from pathlib import Path

import pytest

from intercom.building import load_building
from intercom.errors import ConfigError
from intercom.routing.directory import Carrier, Directory, Encryption, TrunkTransport
from tests.building.test_load import SMALL


def text_with(lines: str, address: str = "sip.example.net") -> str:
    """Give the small building one trunk of these lines."""
    head = SMALL.partition("[[trunk]]")[0]
    return (
        f'{head}[[trunk]]\nid = "carrier"\naddress = "{address}"\n'
        f'caller_ids = ["+4723506953"]\n{lines}\n'
    )


def load(tmp_path: Path, text: str) -> Directory:
    file = tmp_path / "building.toml"
    file.write_text(text)
    file.chmod(0o600)
    return load_building(file, caller_id="+4723506953", environment={}).directory


def test_everything_that_a_carrier_wants_can_be_said(tmp_path):
    lines = (
        'username = "123456"\npassword = "secret"\ncarrier = "register"\nregister = true\n'
        'transport = "tls"\nsrtp = "required"\nheaders = { "X-Account" = "42" }\nring_s = 40\n'
        'media_networks = ["192.0.2.0/24"]\nsignalling_networks = ["192.0.2.128/30"]'
    )

    (trunk,) = load(tmp_path, text_with(lines)).trunks

    assert trunk.carrier is Carrier.REGISTER
    assert trunk.is_registering
    assert (trunk.transport, trunk.encryption) == (TrunkTransport.TLS, Encryption.REQUIRED)
    assert trunk.headers == (("X-Account", "42"),)
    assert (str(trunk.media_networks[0]), trunk.ring_s) == ("192.0.2.0/24", 40)
    assert str(trunk.signalling_networks[0]) == "192.0.2.128/30"
    assert "42" not in repr(trunk)


def test_a_residents_number_may_be_written_as_people_of_the_caller_ids_country_do(tmp_path):
    text = text_with("").replace('"+4790012345"', '"900 12 345"')

    (resident,) = load(tmp_path, text).residents.values()

    assert resident.number == "+4790012345"


@pytest.mark.parametrize(
    ("lines", "address", "said"),
    [
        ("register = true", "sip.example.net", 'trunk "carrier": register = true needs the user'),
        ('carrier = "twillio"', "sip.example.net", 'give "generic", "twilio", "telnyx"'),
        ('transport = "sctp"', "sip.example.net", 'give "udp", "tcp" or "tls"'),
        ('headers = { "Privacy" = "id" }', "sip.example.net", "Privacy is not yours to set"),
        ('headers = { "f" = "x" }', "sip.example.net", "f is not yours to set"),
        ('headers = { "Diversion" = "<sip:x>" }', "sip.example.net", "Diversion is not yours"),
        ('signalling_networks = ["0.0.0.0/0"]', "sip.example.net", "no carrier's alone"),
        ('media_networks = ["192.0.2.1/24"]', "sip.example.net", "networks that its sound"),
        ("registr = true", "sip.example.net", 'did you mean "register"?'),
        ("", "sip.example.net:70000", "port 70000 does not exist"),
        ("", "[2001:db8::1]:0", "port 0 does not exist"),
        ("ring_s = 500", "sip.example.net", "seconds from 5 to 120"),
    ],
)
def test_a_wrong_trunk_is_said_by_name_with_the_remedy(tmp_path, lines, address, said):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text_with(lines, address))

    assert said in str(error.value)
    assert 'trunk "carrier"' in str(error.value)


def test_a_wrong_header_is_not_repeated_for_it_may_be_a_secret(tmp_path):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text_with('headers = { "X-Token" = "secr\\u0000et" }'))

    assert "secr" not in str(error.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('srtp = "optional"', "has no effect without transport"),
        ('srtp = "required"', "sends its keys in the clear"),
        ('carrier = "register"', "add register = true"),
        ('carrier = "twilio"', "termination URI"),
    ],
)
def test_what_is_probably_not_meant_is_a_doubt(tmp_path, lines, said):
    file = tmp_path / "building.toml"
    file.write_text(text_with(lines))
    file.chmod(0o600)

    building = load_building(file, caller_id="+4723506953", environment={})

    assert any(said in each for each in building.warnings)


@pytest.mark.parametrize(("has_sip_tls", "count"), [(False, 1), (True, 0)])
def test_a_tls_trunk_of_a_service_without_a_tls_listener_is_a_doubt(tmp_path, has_sip_tls, count):
    file = tmp_path / "building.toml"
    file.write_text(text_with('transport = "tls"'))
    file.chmod(0o600)

    building = load_building(file, caller_id="+4723506953", environment={}, has_sip_tls=has_sip_tls)

    assert sum("cannot connect to us by TLS" in each for each in building.warnings) == count
