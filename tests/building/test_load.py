"""Building files: what becomes of good ones, and what is said about wrong ones."""

import re
from pathlib import Path

import pytest

from intercom.building import load_building
from intercom.errors import ConfigError
from intercom.routing.directory import EarlyMedia, HttpRelay, PanelLinkRelay, PropertyKind
from intercom.routing.numbers import DialPolicy

EXAMPLE = Path(__file__).parents[2] / "examples" / "building.toml"
CALLER_ID = "+4723506953"
SECRETS = {
    "INTERCOM_SECRET_GARAGE_RELAY": "relay-password",
    "INTERCOM_SECRET_PANEL_MAIN": "panel-password",
    "INTERCOM_SECRET_CARRIER": "carrier-password",
    "INTERCOM_SECRET_KARI_DESK": "desk-password",
    "INTERCOM_SECRET_YARD_RELAY": "yard-password",
    "INTERCOM_SECRET_PANEL_YARD": "yard-panel-password",
    "INTERCOM_SECRET_CELLAR_CODE": "44*7",
    "INTERCOM_SECRET_PANEL_CELLAR": "cellar-panel-password",
    "INTERCOM_SECRET_CELLAR_PICTURE": "picture-password",
}
PROPERTY = '[property]\nname = "House"\nkind = "residential"\naddress = "Storgata 14"\n'
SMALL = f"""{PROPERTY}
[[door]]
id = "main"
name = "Main entrance"
relay = {{ driver = "panel-link", panel = "main" }}

[[panel]]
id = "main"
door = "main"
password = "panel-password"
buttons = {{ "1" = "hansen" }}

[[doorbell]]
id = "hansen"
name = "Hansen"
residents = ["kari"]

[[resident]]
username = "kari"
name = "Kari Hansen"
app = false
number = "+4790012345"

[[trunk]]
id = "carrier"
address = "sip.example.net"
caller_ids = ["{CALLER_ID}"]
"""


@pytest.fixture
def load(tmp_path):
    """Load a text as a building file; give its directory."""

    def loaded(text, **options):
        file = tmp_path / "building.toml"
        file.write_text(text)
        file.chmod(0o640)
        return load_building(file, **{"environment": {}, "caller_id": CALLER_ID} | options)

    return loaded


@pytest.fixture
def faults(load, tmp_path):
    """Give the faults of a wrong text, without the directory of the file."""

    def found(text, **options):
        with pytest.raises(ConfigError) as raised:
            load(text, **options)
        return str(raised.value).replace(f"{tmp_path}/", "").splitlines()

    return found


def test_the_example_loads_and_leaves_no_doubt():
    building = load_building(EXAMPLE, caller_id=CALLER_ID, environment=SECRETS)

    assert building.warnings == ()
    directory = building.directory
    assert directory.doors["main"].relay == PanelLinkRelay("main", 1)
    assert isinstance(directory.doors["garage"].relay, HttpRelay)
    assert directory.doors["garage"].relay.password == "relay-password"
    assert directory.panels["main"].password == "panel-password"
    assert directory.panels["garage"].profile.early is EarlyMedia.ANSWER
    assert directory.panels["main"].doorbell_of("2") == "office"
    assert directory.trunks[0].password == "carrier-password"
    assert directory.properties["property"].kind is PropertyKind.RESIDENTIAL


def test_every_line_of_the_example_that_sets_something_has_its_key_explained():
    keys = set(re.findall(r"^(\w+) = .*$", EXAMPLE.read_text(), re.MULTILINE))

    assert keys >= {"kind", "language", "open_keys", "relay", "pulse_ms", "door", "profile"}
    assert keys >= {"app_stage_s", "phone_stage_s", "password_hash", "number", "caller_ids"}


def test_passwords_do_not_show_in_the_directory_s_text():
    building = load_building(EXAMPLE, caller_id=CALLER_ID, environment=SECRETS)

    assert "-password" not in repr(building)
    assert "argon2id" not in repr(building)


def test_a_small_building_needs_few_words(load):
    directory = load(SMALL).directory

    assert directory.doors["main"].pulse_ms == 3000
    assert directory.properties["property"].open_keys == frozenset("5")
    assert directory.residents["kari"].password_hash == ""


def test_all_faults_are_named_at_once_with_their_lines(faults):
    text = SMALL.replace('"1" = "hansen"', '"1" = "hanson"').replace('name = "Hansen"', "nam = 1")

    assert faults(text) == [
        (
            'building.toml:15: panel "main" → button "1": doorbell "hanson" is not defined;'
            ' did you mean "hansen"?'
        ),
        (
            'building.toml:17: doorbell "hansen" → name: is missing: give what stands on the panel,'
            " 1 to 64 characters"
        ),
        'building.toml:19: doorbell "hansen" → nam: is not known here; did you mean "name"?',
    ]


def test_references_of_a_table_with_another_fault_are_checked_too(faults):
    text = SMALL.replace('door = "main"\n', 'door = "mian"\nprofile = { early = "182" }\n')

    assert [line.split(": ")[1] for line in faults(text)] == [
        'panel "main" → door',
        'panel "main" → profile → early',
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[property]", "[proprety]", 'proprety: no such table; did you mean "property"?'),
        ("[[doorbell]]", "[doorbell]", "write [[doorbell]] in double brackets"),
        ('kind = "residential"', 'kind = "private"', '"private" is wrong: give "residential" or'),
        ('name = "House"', 'name = "House"\nopen_keys = ["A"]', '"A" is wrong: give the telephone'),
        ('driver = "panel-link"', 'driver = "panellink"', 'did you mean "panel-link"?'),
        ('driver = "panel-link", ', "", "relay: has no driver: give a relay such as"),
        ('panel = "main" }', 'panel = "man" }', 'door "main" → relay → panel: panel "man" is not'),
        ("relay = {", "pulse_ms = 10001\nrelay = {", "10001 is wrong: give milliseconds from 100"),
        ("relay = {", 'pulse_ms = "3 s"\nrelay = {', '"3 s" is wrong: give milliseconds'),
        ('door = "main"', 'door = "mian"', 'door "mian" is not defined; did you mean "main"?'),
        ('password = "panel-password"', "", "nothing proves who it is: give password_env"),
        ("panel-password", "1234567", "its password is shorter than 8 characters"),
        ("panel-password", "pass\\u0000word", "password: is wrong: give a text"),
        (
            'password = "panel-password"',
            'allowed_addresses = ["192.0.2.300"]',
            "IP addresses such as",
        ),
        (
            'password = "panel-password"',
            'allowed_addresses = ["192.0.2.3"]',
            'panel "main" needs a password to be commanded',
        ),
        ('residents = ["kari"]', "residents = []", "give the usernames of who is rung"),
        ('residents = ["kari"]', 'residents = ["kari", "kari"]', "stands there more than once"),
        ("app = false", "", "the app needs password_hash: run `intercom hash-password`"),
        ("app = false", 'password_hash = "hunter22"', "password_hash: is wrong: give what"),
        ("+4790012345", "call me", "give a telephone number such as +4790012345 or 900 12 345"),
        ("+4790012345", "+4782912345", "would never be called: numbers that begin with +47829"),
        ("+4790012345", "112", "112 would never be called: it is an emergency number"),
        ("+4790012345", "820 12 345", "820 12 345 would never be called: numbers that begin with"),
        ("+4790012345", "880 12 345", "would never be called: it is a follow-me number"),
        ("app = false", 'app = false\nsip_phones = ["desk@192.0.2.7"]', "such as ["),
        ("sip.example.net", "sip.example.net:x", "the carrier's host or host:port"),
        ('address = "sip', 'username = "u"\naddress = "sip', "only one of username and password"),
        (CALLER_ID, "+4723506954", "no trunk may show +4723506953 (INTERCOM_CALLER_ID): add it"),
        ("[[trunk]]", '[[trunk]]\nport = "x"\n[[trunk]]', "port: is not known here"),
        ("[[trunk]]", "[[trunk]", "this is not TOML"),
        ('name = "Kari Hansen"', "name = Kari Hansen", 'texts stand in "quotes"'),
        (
            "[[resident]]",
            "[[sip_account]]",
            "sip_account: no such table: it belongs into a resident",
        ),
        ("app = false", 'app = "no"', '"no" is wrong: give true or false'),
        ('kind = "residential"', "kind = true", 'true is wrong: give "residential" or'),
        ("sip.example.net", "2001:db8::1:5060", "or [2001:db8::1]:5060, without sip:"),
        ("sip.example.net", "sip:sip.example.net", "without sip:"),
        (
            f'["{CALLER_ID}"]',
            '["23 50 69 53"]',
            'trunk "carrier" → caller_ids: "23 50 69 53" is wrong: give the numbers',
        ),
        (
            '"1" = "hansen"',
            '"sip:1@host" = "hansen"',
            'panel "main" → button "sip:1@host": "sip:1@host" is wrong: give what the panel calls (the',
        ),
        (
            'password = "panel-password"',
            'allowed_addresses = ["0.0.0.0"]',
            'allowed_addresses: "0.0.0.0" is wrong: give single IP addresses',
        ),
        (
            'password = "panel-password"',
            'password_env = "PANEL_MAIN"',
            "the names of secrets begin with INTERCOM_SECRET_",
        ),
        (
            'password = "panel-password"',
            'password_env = "INTERCOM_SECRET_X"',
            "no INTERCOM_SECRET_X: set it, and restart a service that runs already",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_remedy(faults, old, new, said):
    assert old in SMALL

    assert any(said in line for line in faults(SMALL.replace(old, new, 1)))


def test_two_things_of_one_kind_need_two_ids(faults):
    again = '[[resident]]\nusername = "kari"\nname = "Other"\napp = false\n'

    assert faults(SMALL + again)[0].endswith('there is another resident "kari": give one a new id')


def test_one_relay_opens_one_door(faults):
    again = (
        '[[door]]\nid = "side"\nname = "Side"\nrelay = { driver = "panel-link", panel = "main" }\n'
    )

    assert 'relay 1 of this panel belongs to door "main" too' in faults(SMALL + again)[0]


@pytest.mark.parametrize("mark", [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_a_name_that_turns_the_direction_of_writing_is_refused_and_not_repeated(faults, mark):
    (said,) = faults(SMALL.replace('name = "Hansen"', f'name = "Han{chr(mark)}sen"'))

    assert f"holds U+{mark:04X}, which turns the direction of writing: leave it out" in said
    assert chr(mark) not in said


def test_a_wrong_password_hash_is_not_repeated(faults):
    text = SMALL.replace("app = false", 'password_hash = "$argon2i$v=19$secret"')

    assert not any("secret" in line for line in faults(text))


def test_a_relay_over_http_needs_a_user_and_a_password_where_it_asks_for_them(faults):
    relay = 'relay = { driver = "http", url = "http://192.0.2.9/o", authentication = "digest" }'
    text = re.sub(r"relay = \{.*\}", relay, SMALL)

    assert "digest needs username and password_env" in faults(text)[0]


def test_a_url_with_a_password_in_it_is_refused(faults):
    relay = 'relay = { driver = "http", url = "http://u:p@192.0.2.9/o" }'

    assert "without a password in it" in faults(re.sub(r"relay = \{.*\}", relay, SMALL))[0]


def test_a_password_may_stand_in_a_file_beside_the_building_file(load, tmp_path):
    secret = tmp_path / "panel.secret"
    secret.write_text("from-the-file\n")
    secret.chmod(0o600)

    text = SMALL.replace('password = "panel-password"', 'password_file = "panel.secret"')

    assert load(text).directory.panels["main"].password == "from-the-file"


def test_a_password_file_that_everybody_may_read_is_refused(faults, tmp_path):
    secret = tmp_path / "panel.secret"
    secret.write_text("from-the-file\n")
    secret.chmod(0o644)

    text = SMALL.replace('password = "panel-password"', 'password_file = "panel.secret"')

    assert "everybody may read panel.secret: chmod 640" in faults(text)[0]


def test_a_password_file_that_is_missing_is_named(faults):
    text = SMALL.replace('password = "panel-password"', 'password_file = "panel.secret"')

    assert "write the password into it" in faults(text)[0]
    assert len(faults(text)) == 1


def test_an_environment_variable_that_is_not_set_is_named(faults):
    text = SMALL.replace('password = "panel-password"', 'password_env = "INTERCOM_SECRET_MAIN"')

    assert "the environment has no INTERCOM_SECRET_MAIN" in faults(text)[0]
    assert len(faults(text)) == 1


def test_a_password_is_given_once(faults):
    text = SMALL.replace('password = "panel', 'password_env = "X"\npassword = "panel')

    assert "password is given as well" in faults(text)[0]


def test_a_number_outside_the_allowed_countries_is_refused(faults):
    said = faults(SMALL, dial_policy=DialPolicy(allowed_prefixes=("+46",)))

    assert "only numbers that begin with +46 may be called" in said[0]


def test_a_trunk_that_may_not_show_the_caller_id_is_a_doubt_while_another_may(load):
    more = '[[trunk]]\nid = "b"\naddress = "192.0.2.1"\ncaller_ids = ["+4722000000"]\n'

    (warning,) = load(SMALL + more).warnings

    assert f'trunk "b": may not show {CALLER_ID}' in warning


def test_a_panel_that_gives_up_before_the_phone_was_rung_is_a_doubt(load):
    text = SMALL.replace("buttons = {", "profile = { ring_limit_s = 40 }\nbuttons = {")

    (warning,) = load(text).warnings

    assert 'button "1": the panel gives up after 40 s, and ringing everybody takes 50 s' in warning


@pytest.mark.parametrize(("ring_limit_s", "is_doubted"), [(53, True), (54, False)])
def test_a_panel_must_leave_time_for_the_words_at_the_end(load, ring_limit_s, is_doubted):
    text = SMALL.replace(
        "buttons = {", f"profile = {{ ring_limit_s = {ring_limit_s} }}\nbuttons = {{"
    )

    assert bool(load(text).warnings) is is_doubted


def test_numbers_without_a_trunk_are_a_doubt(load):
    (warning,) = load(SMALL.partition("[[trunk]]")[0]).warnings

    assert "no resident's number can be called" in warning


def test_plain_passwords_in_a_file_for_everybody_are_a_doubt(tmp_path):
    file = tmp_path / "building.toml"
    file.write_text(SMALL)
    file.chmod(0o644)

    (warning,) = load_building(file, environment={}).warnings

    assert "holds passwords, and everybody may read it: chmod 640" in warning


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 16_000_001])
def test_what_is_no_text_is_refused_in_words(tmp_path, content):
    file = tmp_path / "building.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=r"UTF-8|no building file"):
        load_building(file)


def test_a_file_that_is_not_there_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(ConfigError, match="INTERCOM_BUILDING_FILE"):
        load_building(tmp_path / "none.toml")
