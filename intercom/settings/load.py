"""Read the settings, check them, and say of every wrong one what to do.

Where a value comes from, the first that has it wins: the command line, the environment
(INTERCOM_SIP_PORT), the settings file (TOML: sip_port; or lines of INTERCOM_SIP_PORT=…), the default.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from intercom.errors import ConfigError
from intercom.settings.model import Settings, remedy_of

PREFIX: Final = "INTERCOM_"
SETTINGS_VARIABLE: Final = "INTERCOM_SETTINGS"
_REFERENCES = "INTERCOM_SECRET_"
"""Variables that a building file's `password_env` may name; they are no settings."""


_OUR_NAMES: Final = re.compile(rf"\b(?:{'|'.join(Settings.model_fields)})\b")


def load_settings(
    settings_file: Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    **overrides: object,
) -> Settings:
    """Read and check all settings; raise ConfigError that names every wrong one and its remedy.

    `overrides` are what the command line gave; None means that it did not.
    """
    values = _gather(settings_file, environment)
    values.update({name: value for name, value in overrides.items() if value is not None})
    try:
        return Settings(**values)
    except ValidationError as error:
        lines = [_explain(details) for details in error.errors(include_url=False)]
        raise ConfigError("\n".join(lines)) from None


def load_secrets(
    settings_file: Path | None = None, *, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Read what a building file's `password_env` may name from a settings file of lines."""
    path = _settings_path(settings_file, environment)
    if path is None or path.suffix == ".toml":
        return {}
    _read_text(path)
    lines = dotenv_values(path, interpolate=False)
    return {name: value for name, value in lines.items() if value and name.startswith(_REFERENCES)}


def find_control_socket(
    settings_file: Path | None = None, *, environment: Mapping[str, str] = os.environ
) -> Path:
    """Say where the running service's socket is, without asking for all other settings."""
    values = _gather(settings_file, environment)
    state_dir = Path(str(values.get("state_dir", Settings.model_fields["state_dir"].default)))
    return Path(str(values.get("control_socket", state_dir / "control.sock")))


def _gather(settings_file: Path | None, environment: Mapping[str, str]) -> dict[str, Any]:
    path = _settings_path(settings_file, environment)
    values: dict[str, Any] = {}
    if path is not None:
        values.update(_read_file(path))
    values.update(_known(environment, "the environment"))
    return values


def _settings_path(settings_file: Path | None, environment: Mapping[str, str]) -> Path | None:
    named = environment.get(SETTINGS_VARIABLE)
    return settings_file or (Path(named) if named else None)


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        msg = (
            f"The settings file {path} cannot be read ({why}):"
            f" give another by --settings or {SETTINGS_VARIABLE}"
        )
        raise ConfigError(msg) from error


def _read_file(path: Path) -> dict[str, Any]:
    text = _read_text(path)
    if path.suffix != ".toml":
        lines = {k: v or "" for k, v in dotenv_values(path, interpolate=False).items()}
        return _known(lines, str(path), is_ours_alone=True)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"The settings file {path} is not TOML: {error}"
        raise ConfigError(msg) from error
    unknown = [
        _unknown(key, str(path), tuple(Settings.model_fields))
        for key in table
        if key not in Settings.model_fields
    ]
    if unknown:
        raise ConfigError("\n".join(unknown))
    return table


def _known(
    variables: Mapping[str, str], where: str, *, is_ours_alone: bool = False
) -> dict[str, Any]:
    """Pick our variables; refuse those that begin like ours and are none.

    In a file of ours alone every other name is refused too. An empty value is none at all, except
    for a list, where it means an empty list.
    """
    values: dict[str, Any] = {}
    unknown: list[str] = []
    names = {PREFIX + name.upper(): name for name in Settings.model_fields}
    for variable, value in variables.items():
        name = names.get(variable)
        if name is not None:
            if value or isinstance(Settings.model_fields[name].default, tuple):
                values[name] = value
        elif (is_ours_alone or variable.startswith(PREFIX)) and not _is_for_others(variable):
            unknown.append(_unknown(variable, where, tuple(names)))
    if unknown:
        raise ConfigError("\n".join(unknown))
    return values


def _is_for_others(variable: str) -> bool:
    return variable.startswith(_REFERENCES) or variable == SETTINGS_VARIABLE


def _unknown(name: str, where: str, names: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else "`intercom settings` lists all of them"
    return f"{name} in {where} is no setting: {hint}"


def _explain(details: ErrorDetails) -> str:
    """Turn one of pydantic's errors into the setting's name, what is wrong, and the remedy."""
    context = details.get("ctx", {})
    name = str(details["loc"][0]) if details["loc"] else str(context["setting"])
    message = details["msg"]
    match details["type"]:
        case "missing":
            fault = "is missing"
        case "together":
            fault = _OUR_NAMES.sub(lambda found: PREFIX + found[0].upper(), message)
        case "value_error":
            fault = f"is wrong: {message.removeprefix('Value error, ')}"
        case _:
            fault = f'is wrong: "{details["input"]}": {message[0].lower()}{message[1:]}'
    remedy = _OUR_NAMES.sub(lambda found: PREFIX + found[0].upper(), remedy_of(name))
    return f"{PREFIX}{name.upper()} {fault}: {remedy}"
