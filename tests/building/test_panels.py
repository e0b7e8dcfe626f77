"""Makes of panels in the building file: their defaults, what is written otherwise, and plain errors."""

import pytest

from intercom.building import load_building
from intercom.building.makes import MAKES
from intercom.errors import ConfigError
from intercom.routing.directory import (
    CodeWay,
    EarlyMedia,
    Encryption,
    HttpAnswer,
    HttpRelay,
    PanelCodeRelay,
)
from intercom.routing.plan import PANEL_MARGIN_S, build_plan

BUILDING = """
[property]
name = "House"
kind = "residential"
address = "A"

[[door]]
id = "main"
name = "Main"
relay = {relay}

[[panel]]
id = "main"
door = "main"
password = "long enough"
buttons = {{ "101" = "bell" }}
{panel}

[[doorbell]]
id = "bell"
name = "Bell"
residents = ["kari"]

[[resident]]
username = "kari"
name = "Kari"
app = false
number = "+4790012345"

[[trunk]]
id = "carrier"
address = "sip.example.net"
caller_ids = ["+4723506953"]
"""
HTTP = '{ driver = "http", url = "https://192.0.2.9/open" }'


@pytest.fixture
def load(tmp_path):
    def load(relay=HTTP, panel="", environment=None):
        file = tmp_path / "building.toml"
        file.write_text(BUILDING.format(relay=relay, panel=panel))
        file.chmod(0o600)
        (tmp_path / "code").write_text("44*7\n")
        (tmp_path / "code").chmod(0o600)
        return load_building(file, environment=environment or {})

    return load


def panel_of(building):
    return building.directory.panels["main"]


def relay_of(building):
    return building.directory.doors["main"].relay


@pytest.mark.parametrize("make", MAKES)
def test_a_make_gives_the_profile(load, make):
    assert panel_of(load(panel=f'make = "{make}"')).profile == MAKES[make].profile


def test_every_value_of_a_profile_can_be_written_otherwise(load):
    profile = (
        '{ early = "183", ring_limit_s = 45, codecs = ["PCMU"], code_way = "info-dtmf",'
        ' srtp = "optional", registers = false }'
    )
    found = panel_of(load(panel=f'make = "akuvox"\nprofile = {profile}')).profile

    assert (found.early, found.ring_limit_s, found.codecs) == (EarlyMedia.PROGRESS, 45, ("PCMU",))
    assert (found.code_way, found.srtp) == (CodeWay.INFO, Encryption.OPTIONAL)
    assert found.registers is False


@pytest.mark.parametrize("make", [make for make in MAKES if make != "generic"])
def test_the_plan_is_over_before_a_panel_of_the_make_gives_up(load, make):
    directory = load(panel=f'make = "{make}"').directory
    limit_s = directory.panels["main"].profile.ring_limit_s

    plan = build_plan(directory.doorbells["bell"], directory.residents, lambda _: (), limit_s)

    assert 0 < plan.ring_s <= limit_s - PANEL_MARGIN_S


def test_a_make_whose_limit_is_too_short_for_everybody_is_doubted(load):
    warnings = load(panel='make = "grandstream"').warnings

    assert any(
        "the panel gives up after 15 s, and ringing everybody takes 50 s" in w for w in warnings
    )


def test_a_makes_relay_is_its_request_with_https(load):
    relay = '{ driver = "2n", host = "192.0.2.9", relay = 2, username = "u", password = "secret" }'
    found = relay_of(load(relay))

    assert isinstance(found, HttpRelay)
    assert found.url == "https://192.0.2.9/api/switch/ctrl?switch=2&action=trigger"
    assert (found.authentication, found.answer) == ("digest", HttpAnswer.SUCCESS)
    assert found.password == "secret"


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        ('code = "44*7"', {}),
        ('code_file = "code"', {}),
        ('code_env = "DOOR_CODE"', {"DOOR_CODE": "44*7"}),
    ],
)
def test_a_door_code_comes_from_the_file_another_file_or_the_environment(load, given, environment):
    relay = f'{{ driver = "panel-code", panel = "main", {given} }}'
    found = relay_of(load(relay, environment=environment))

    assert found == PanelCodeRelay("main", "44*7", CodeWay.EVENT)


def test_a_door_code_goes_the_panels_way_unless_the_door_says_otherwise(load):
    profile = 'profile = { code_way = "info-dtmf" }'
    relay = '{ driver = "panel-code", panel = "main", code = "1" }'
    other = '{ driver = "panel-code", panel = "main", code = "1", way = "info-dtmf-relay" }'

    assert relay_of(load(relay, profile)).way is CodeWay.INFO
    assert relay_of(load(other, profile)).way is CodeWay.INFO_RELAY


def test_a_picture_is_got_where_the_make_has_it_or_where_it_is_written(load):
    make = 'make = "2n"\nsnapshot = { host = "192.0.2.9", username = "u", password = "secret" }'
    own = 'profile = { early = "snapshot" }\nsnapshot = { url = "https://192.0.2.9/x.jpg" }'

    two_n, generic = panel_of(load(panel=make)).picture, panel_of(load(panel=own)).picture

    assert two_n.url == "https://192.0.2.9/api/camera/snapshot?width=640&height=480"
    assert (two_n.authentication, two_n.username) == ("digest", "u")
    assert (generic.url, generic.authentication) == ("https://192.0.2.9/x.jpg", "none")
    assert "secret" not in repr(two_n)


@pytest.mark.parametrize(
    ("relay", "said"),
    [
        (
            '{ driver = "panel-code", panel = "main" }',
            "needs the panel's door code: give code_env",
        ),
        (
            '{ driver = "panel-code", panel = "main", code = "12x" }',
            "its code is wrong: give up to 16",
        ),
        ('{ driver = "panel-code", panel = "mian", code = "1" }', 'did you mean "main"?'),
        (
            '{ driver = "panel-code", panel = "main", code = "1", code_env = "X" }',
            "code is given as well: keep one of them",
        ),
        ('{ driver = "panel-code", panel = "main", code_env = "X" }', "the environment has no X"),
        ('{ driver = "panel-code", panel = "main", code_file = "no" }', "write the code into it"),
        ('{ driver = "2n", host = "192.0.2.9" }', "digest needs username and password_env"),
        ('{ driver = "2n", username = "u", password = "p" }', "host: is missing: give the panel's"),
        (
            '{ driver = "akuvoks", host = "h" }',
            'driver "akuvoks" is not known; did you mean "akuvox"?',
        ),
        (
            '{ driver = "2n", host = "h", username = "u", password = "p", authentication = "query" }',
            '"query" is the way of akuvox alone',
        ),
        (
            '{ driver = "2n", host = "h", username = "u", password = "p", code = "1" }',
            "2n takes no door code by HTTP: leave code out",
        ),
        (
            '{ driver = "grandstream", host = "h", username = "u", password = "p" }',
            "needs the door code of its web page (remote PIN)",
        ),
        (
            '{ driver = "fanvil", host = "h", username = "u", password = "p", relay = 2 }',
            "fanvil opens one door by HTTP: leave relay out",
        ),
    ],
)
def test_a_wrong_relay_is_said_plainly(load, relay, said):
    with pytest.raises(ConfigError) as refused:
        load(relay)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("panel", "said"),
    [
        ('make = "2m"', 'make: "2m" is wrong: give "2n", "akuvox"'),
        ('profile = { early = "200" }', "early:"),
        ('profile = { early = "snapshot" }', 'early = "snapshot" needs snapshot ='),
        ('snapshot = { host = "192.0.2.9" }', 'where make "generic" has its picture is not known'),
        ('snapshot = { username = "u" }', "give one of host and url"),
        (
            'make = "2n"\nsnapshot = { host = "h", url = "https://h/x" }',
            "give one of host and url",
        ),
        ('make = "2n"\nsnapshot = { host = "h" }', "digest needs username and password_env"),
        ("profile = { codecs = [] }", "codecs:"),
    ],
)
def test_a_wrong_panel_is_said_plainly(load, panel, said):
    with pytest.raises(ConfigError) as refused:
        load(panel=panel)

    assert said in " ".join(str(refused.value).replace(" → ", ": ").split())


def test_no_error_repeats_a_door_code(load):
    with pytest.raises(ConfigError) as refused:
        load('{ driver = "panel-code", panel = "main", code = "98765 4" }')

    assert "98765" not in str(refused.value)


@pytest.mark.parametrize(
    ("relay", "panel", "said"),
    [
        (
            '{ driver = "fanvil", host = "h", scheme = "http", username = "u", password = "p" }',
            "",
            "sends its password in the clear",
        ),
        (HTTP, "profile = { registers = false }", "it can only ring from one of its allowed"),
        (HTTP, 'allowed_addresses = ["10.0.0.7", "8.8.8.8"]', "8.8.8.8 is a public address"),
        (HTTP, 'allowed_addresses = ["2a00:1450::1"]', "2a00:1450::1 is a public address"),
    ],
)
def test_what_is_allowed_and_doubtful_is_warned_of(load, relay, panel, said):
    assert any(said in warning for warning in load(relay, panel).warnings)


@pytest.mark.parametrize("address", ["10.0.0.7", "100.64.1.1", "fd00::7", "192.0.2.20"])
def test_an_address_of_a_house_of_its_own_is_not_doubted(load, address):
    assert load(panel=f'allowed_addresses = ["{address}"]').warnings == ()


def test_a_panel_can_be_known_by_its_certificate_alone(tmp_path):
    file = tmp_path / "building.toml"
    text = BUILDING.format(relay=HTTP, panel='certificate_name = "Panel-Main.example"')
    file.write_text(text.replace('password = "long enough"\n', ""))

    panel = panel_of(load_building(file, environment={}))

    assert (panel.password, panel.certificate_name) == (None, "panel-main.example")


def test_two_panels_with_one_certificate_name_are_refused(load):
    other = """certificate_name = "panel.example"
[[panel]]
id = "yard"
door = "main"
buttons = { "1" = "bell" }
certificate_name = "PANEL.example"
"""

    with pytest.raises(
        ConfigError, match='panel "yard" → certificate_name: is that of panel "main"'
    ):
        load(panel=other)
