"""Settings: where they come from, and what is said about wrong ones."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from intercom.app.web_side import is_asked_by_tls
from intercom.cli.exit_codes import ExitCode
from intercom.errors import ConfigError
from intercom.routing.dial_guard import DialLimits
from intercom.settings import LogFormat, Settings, find_control_socket, load_settings
from intercom.settings.describe import as_markdown, as_text, describe

GOOD = {"INTERCOM_CALLER_ID": "+4723506953"}
DEPLOY = Path(__file__).parents[1] / "deploy"
DOCUMENT = Path(__file__).parents[1] / "docs" / "settings.md"


def faults(environment, settings_file=None):
    with pytest.raises(ConfigError) as raised:
        load_settings(settings_file, environment=environment)
    return str(raised.value).splitlines()


def test_the_caller_id_is_the_only_setting_without_a_default():
    settings = load_settings(environment=GOOD)

    assert settings.sip_host == ("0.0.0.0",)
    assert settings.sip_port == 5060
    assert settings.control_socket == Path("var/control.sock")
    assert [n for n, f in Settings.model_fields.items() if f.is_required()] == ["caller_id"]


def test_a_missing_caller_id_is_named_with_its_remedy():
    assert faults({}) == [
        (
            "INTERCOM_CALLER_ID is missing: give the number your calls come from, in E.164 such as"
            " +4723506953; your trunk must be allowed to present it"
        )
    ]


def test_all_wrong_settings_are_named_at_once():
    said = faults({"INTERCOM_CALLER_ID": "22", "INTERCOM_SIP_PORT": "x"})

    assert [line.split()[0] for line in said] == ["INTERCOM_CALLER_ID", "INTERCOM_SIP_PORT"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CALLER_ID", "23506953", "give the number your calls come from"),
        ("CALLER_ID", "+47 23506953", '"+47 23506953" is not a number in E.164'),
        ("SIP_PORT", "70000", "give a port from 1 to 65535 that is free for UDP and TCP"),
        ("SIP_HOST", "localhost", "give an IP address of this machine"),
        ("SIP_HOST", "192.0.2.1,192.0.2.2", "holds two addresses of one family"),
        ("MEDIA_HOST", "::", "INTERCOM_MEDIA_HOST is wrong: INTERCOM_SIP_HOST has no IPv6 address"),
        (
            "PUBLIC_ADDRESS",
            "2001:db8::1",
            "INTERCOM_SIP_HOST has no IPv6 address, as 2001:db8::1 is",
        ),
        ("PUBLIC_ADDRESS", "a.example,b.example", "holds two of one kind"),
        ("SIP_TLS_KEY", "/dev/null", "SIP_TLS_CERTIFICATE is missing, and INTERCOM_SIP_TLS_KEY is"),
        ("SIP_TLS_CERTIFICATE", "/dev/null", "INTERCOM_SIP_TLS_KEY is missing"),
        ("SIP_TLS_CLIENT_CA", "/dev/null", "is missing, and INTERCOM_SIP_TLS_CLIENT_CA is set"),
        ("SIP_TLS_CA", "/no/such", "cannot be read: No such file or directory"),
        ("SIP_CONNECTIONS", "1", "give 10 to 20000"),
        ("SIP_PORT", "20500", "INTERCOM_SIP_PORT is wrong: 20500 lies among the ports of RTP"),
        ("WEBRTC_PORT", "5060", "5060 is a port of RTP or SIP as well"),
        ("RTP_PORT_FIRST", "20001", "give an even UDP port"),
        ("RTP_PORT_LAST", "20002", "leaves too few ports"),
        ("PUBLIC_ADDRESS", "sip:x@y", "is neither an IP address nor a host name"),
        ("PUBLIC_ADDRESS", "203.0.113.10:5060", "is neither an IP address nor a host name"),
        ("TLS_KEY", "/dev/null", "_TLS_CERTIFICATE is missing, and INTERCOM_TLS_KEY is set"),
        (
            "TLS_CERTIFICATE",
            "/dev/null",
            "INTERCOM_TLS_KEY is missing, and INTERCOM_TLS_CERTIFICATE is",
        ),
        ("TLS_CERTIFICATE", "/no/such", "cannot be read: No such file or directory"),
        ("WEB_ORIGIN", "https://a.example/x", "give scheme and host without a path"),
        ("WEB_ORIGIN", "a.example", "give scheme and host without a path"),
        ("MEDIA_NETWORKS", "192.0.2.0/24,x", "give networks such as 192.0.2.0/24"),
        ("DIAL_PREFIXES", "47", '"47" is not + and digits'),
        ("CONTROL_SOCKET", "/" + "x" * 107, "too long a path for a unix socket"),
        ("LOG_LEVEL", "loud", "give debug, info, warning or error"),
        ("TALK_LIMIT_S", "900", "give seconds from 30 to 180"),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(name, value, said):
    lines = faults(GOOD | {f"INTERCOM_{name}": value})

    assert len(lines) == 1
    assert said in lines[0]


def test_tls_for_sip_needs_a_port_of_its_own():
    files = {"INTERCOM_SIP_TLS_CERTIFICATE": "/dev/null", "INTERCOM_SIP_TLS_KEY": "/dev/null"}

    assert (
        "INTERCOM_SIP_TLS_PORT is wrong: 5060"
        in (faults(GOOD | files | {"INTERCOM_SIP_TLS_PORT": "5060"})[0])
    )


def test_an_address_of_each_family_may_be_given():
    settings = load_settings(environment=GOOD | {"INTERCOM_SIP_HOST": "0.0.0.0, ::"})

    assert settings.sip_host == ("0.0.0.0", "::")


def test_a_misspelt_variable_is_refused_with_the_nearest_name():
    assert faults(GOOD | {"INTERCOM_SIP_PROT": "5060"}) == [
        "INTERCOM_SIP_PROT in the environment is no setting: did you mean INTERCOM_SIP_PORT?"
    ]


def test_variables_for_a_building_s_secrets_are_no_settings():
    load_settings(environment=GOOD | {"INTERCOM_SECRET_TRUNK": "x", "OTHER": "y"})


def test_an_empty_variable_is_none_at_all_except_for_a_list():
    assert "INTERCOM_CALLER_ID is missing" in faults({"INTERCOM_CALLER_ID": ""})[0]
    settings = load_settings(
        environment=GOOD | {"INTERCOM_PUBLIC_ADDRESS": "", "INTERCOM_REFUSED_PREFIXES": ""}
    )
    assert settings.public_address == ()
    assert settings.refused_prefixes == ()


def test_the_example_of_a_settings_file_is_good_once_it_has_a_caller_id(tmp_path):
    text = (DEPLOY / "intercom.env.example").read_text().replace("#INTERCOM", "INTERCOM")
    assert "INTERCOM_CALLER_ID=\n" in text
    file = tmp_path / "intercom.env"
    files = ("TLS_CERTIFICATE", "TLS_KEY", "SIP_TLS_CERTIFICATE", "SIP_TLS_KEY", "RELAY_CA_FILE")
    for name in files:
        text = re.sub(rf"INTERCOM_{name}=.*", f"INTERCOM_{name}=/dev/null", text)

    file.write_text(text)

    assert load_settings(file, environment=GOOD).public_address == ("203.0.113.10",)


def test_the_example_of_a_settings_file_names_every_secret_of_the_example_building():
    building = (DEPLOY.parent / "examples" / "building.toml").read_text()
    variables = set(re.findall(r'"(INTERCOM_SECRET_(?!X")\w+)"', building))

    example = (DEPLOY / "intercom.env.example").read_text()
    assert variables == set(re.findall(r"INTERCOM_SECRET_\w+", example))


def test_systemd_does_not_start_again_after_a_wrong_setting():
    unit = (DEPLOY / "intercom.service").read_text()

    assert f"RestartPreventExitStatus={ExitCode.CONFIGURATION.value}\n" in unit
    assert "StartLimitIntervalSec=0\n" in unit  # but for ever after a port that is taken


def test_a_toml_file_gives_settings_and_the_environment_wins(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text('caller_id = "+4723506953"\nsip_port = 5070\nmedia_networks = ["10.0.0.0/8"]\n')

    settings = load_settings(file, environment={"INTERCOM_SIP_PORT": "5080"})

    assert settings.sip_port == 5080
    assert [str(network) for network in settings.media_networks] == ["10.0.0.0/8"]


def test_a_file_of_variables_gives_settings(tmp_path):
    file = tmp_path / "intercom.env"
    file.write_text("# ours\nINTERCOM_CALLER_ID=+4723506953\nINTERCOM_LOG_FORMAT=json\n")

    settings = load_settings(environment={"INTERCOM_SETTINGS": str(file)})

    assert settings.log_format is LogFormat.JSON


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.toml", "sip_prot = 1", "sip_prot in {file} is no setting: did you mean sip_port?"),
        ("s.env", "INTERCOM_SIP_PROT=1", "did you mean INTERCOM_SIP_PORT?"),
        ("s.env", "SIP_PORT=1", "SIP_PORT in {file} is no setting"),
        ("s.toml", "sip_port", "The settings file {file} is not TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_words(tmp_path, name, content, said):
    file = tmp_path / name
    file.write_text(content)

    assert said.format(file=file) in faults(GOOD, file)[0]


def test_a_file_that_is_not_there_is_refused_in_words(tmp_path):
    said = faults({"INTERCOM_SETTINGS": str(tmp_path / "none")})

    assert "cannot be read" in said[0]


def test_the_command_line_wins_over_everything():
    settings = load_settings(
        environment=GOOD | {"INTERCOM_BUILDING_FILE": "a"}, building_file=Path("b"), sip_port=None
    )

    assert settings.building_file == Path("b")


def test_only_the_caller_id_s_country_may_be_dialled_by_default():
    policy = load_settings(environment=GOOD).dial_policy

    assert policy.objection_to("+4790012345") is None
    assert policy.objection_to("+46701234567") is not None
    assert policy.objection_to("+4782912345") is not None


def test_the_limits_of_phone_calls_are_the_guard_s_own_by_default():
    assert load_settings(environment=GOOD).dial_limits == DialLimits()


def test_the_control_socket_is_found_without_all_other_settings():
    environment = {"INTERCOM_STATE_DIR": "/var/lib/intercom"}

    assert find_control_socket(environment=environment) == Path("/var/lib/intercom/control.sock")


def test_settings_do_not_change():
    settings = load_settings(environment=GOOD)

    with pytest.raises(ValueError, match="frozen"):
        settings.sip_port = 1


def test_every_setting_is_documented_with_a_remedy():
    for one in describe():
        assert one.text.endswith("."), one.name
        assert one.remedy.startswith("give "), one.name


def test_docs_settings_md_says_what_the_code_does():
    assert DOCUMENT.read_text() == as_markdown(), (
        "run: intercom settings --markdown > docs/settings.md"
    )


def test_settings_in_force_are_shown_with_defaults():
    text = as_text(load_settings(environment=GOOD | {"INTERCOM_SIP_PORT": "5070"}))

    assert "INTERCOM_SIP_PORT = 5070   (default: 5060)" in text
    assert "INTERCOM_DIAL_PREFIXES = +47 " in text


def test_secrets_are_masked_when_settings_are_shown():
    class WithSecret(BaseSettings):
        token: SecretStr = SecretStr("hunter22")

    (one,) = describe(WithSecret(), of=WithSecret)

    assert "hunter22" not in f"{one.value}{one.default}"


@pytest.mark.parametrize(
    ("origin", "is_tls"),
    [("https://door.example", True), ("http://192.0.2.7:8080", False), (None, False)],
)
def test_cookies_are_secure_behind_a_proxy_that_ends_tls(origin, is_tls):
    settings = SimpleNamespace(has_tls=False, web_origin=origin)

    assert is_asked_by_tls(settings) is is_tls
