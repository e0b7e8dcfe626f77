"""Residents' SIP accounts in the building file: what becomes of them, and what is said of wrong ones."""

import pytest

from intercom.building import load_building
from intercom.errors import ConfigError
from intercom.routing.directory import Encryption
from tests.building.test_load import CALLER_ID, SMALL

RESIDENT = 'app = false\nnumber = "+4790012345"\n'
BEFORE, AFTER = SMALL.split(RESIDENT)
FIRST_LINE = BEFORE.count("\n") + 4
"""Of the first account: after the two lines above and a blank one."""


@pytest.fixture
def load(tmp_path):
    def loaded(*accounts: str, environment=None):
        file = tmp_path / "building.toml"
        tables = "".join(f"\n[[resident.sip_account]]\n{account}\n" for account in accounts)
        file.write_text(BEFORE + RESIDENT + tables + AFTER)
        file.chmod(0o640)
        return load_building(file, caller_id=CALLER_ID, environment=environment or {})

    return loaded


@pytest.fixture
def faults(load, tmp_path):
    def found(*accounts: str):
        with pytest.raises(ConfigError) as raised:
            load(*accounts)
        return str(raised.value).replace(f"{tmp_path}/building.toml:", "").splitlines()

    return found


def account(username="kari-desk", password='password = "long enough"', more=""):
    return f'username = "{username}"\n{password}\n{more}'


def test_an_account_has_its_password_and_srtp_where_the_phone_registers_by_tls(load):
    [first, second] = (
        load(
            account(password='password_env = "INTERCOM_SECRET_DESK"'),
            account("kari-soft", more='srtp = "required"'),
            environment={"INTERCOM_SECRET_DESK": "from the environment"},
        )
        .directory.residents["kari"]
        .sip_accounts
    )

    assert (first.username, first.password) == ("kari-desk", "from the environment")
    assert first.encryption is Encryption.OPTIONAL
    assert second.encryption is Encryption.REQUIRED
    assert "long enough" not in repr(second)


def test_the_short_form_on_one_line_is_the_same(tmp_path):
    file = tmp_path / "building.toml"
    line = 'sip_account = [{ username = "kari-desk", password = "long enough" }]\n'
    file.write_text(BEFORE + RESIDENT + line + AFTER)
    file.chmod(0o640)

    resident = load_building(file, caller_id=CALLER_ID, environment={}).directory.residents["kari"]

    assert [each.username for each in resident.sip_accounts] == ["kari-desk"]


def test_a_resident_with_a_sip_phone_alone_can_be_reached(tmp_path):
    file = tmp_path / "building.toml"
    table = f"\n[[resident.sip_account]]\n{account()}\n"
    file.write_text(BEFORE + "app = false\n" + table + AFTER)
    file.chmod(0o640)

    warnings = load_building(file, caller_id=CALLER_ID, environment={}).warnings

    assert not [warning for warning in warnings if "cannot be reached" in warning]


@pytest.mark.parametrize(
    ("accounts", "line", "fault"),
    [
        ([account("main")], 0, "a panel has this name too: give another username"),
        (
            [account(), account()],
            5,
            "another SIP account has this name too: give another username",
        ),
        ([account(password="")], 0, "has no password: give password_env or password_file"),
        (
            [account(password='password = "short"')],
            0,
            "its password is shorter than 8 characters",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(faults, accounts, line, fault):
    name = "main" if "panel" in fault else "kari-desk"

    assert faults(*accounts) == [
        f'{FIRST_LINE + line}: resident "kari" → sip_account "{name}": {fault}'
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (account("kari desk"), '"kari desk" is wrong: give a short name'),
        (account(more='srtp = "always"'), '"always" is wrong: give "off", "optional"'),
        (account(more="transport = 1"), "transport: is not known here"),
        ('password = "long enough"', "username: is missing: give a short name"),
    ],
)
def test_a_wrong_shape_is_named_with_what_must_stand_there(faults, wrong, words):
    [fault] = faults(wrong)

    assert words in fault
    assert "long enough" not in fault


def test_six_accounts_are_too_many_and_no_password_is_repeated(faults):
    [fault] = faults(*(account(f"kari-{n}") for n in range(6)))

    assert "at most 5 log-ins" in fault
    assert "long enough" not in fault
