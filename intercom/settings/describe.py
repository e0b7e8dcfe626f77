"""The settings in words: for `intercom settings` and for docs/settings.md."""

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from intercom.settings.keeping import DATABASE_FILE
from intercom.settings.load import PREFIX
from intercom.settings.model import Settings

_MASK = "********"
_COMPUTED = {
    "control_socket": "control.sock in state_dir",
    "dial_prefixes": "caller_id's country",
    "database": f"{DATABASE_FILE} in state_dir",
}
_KINDS: Mapping[Any, str] = {
    int: "whole number",
    float: "number",
    Path: "path",
    bool: "yes or no",
    SecretStr: "secret text",
}
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^:/@]*):.*@")


@dataclass(frozen=True, slots=True)
class Description:
    name: str
    """As in a TOML settings file."""
    variable: str
    """As in the environment."""
    kind: str
    default: str
    text: str
    remedy: str
    value: str | None = None
    """What it is set to; None: not known."""


def describe(
    settings: BaseSettings | None = None, *, of: type[BaseSettings] = Settings
) -> Iterator[Description]:
    """Tell of every setting, with its value where `settings` are given; secrets are masked."""
    for name, field in of.model_fields.items():
        extra = field.json_schema_extra
        yield Description(
            name=name,
            variable=PREFIX + name.upper(),
            kind=_kind(field.annotation),
            default="required"
            if field.is_required()
            else _COMPUTED.get(name) or _show(field.default),
            text=field.description or "",
            remedy=str(extra.get("remedy", "")) if isinstance(extra, dict) else "",
            value=None if settings is None else _show(getattr(settings, name)),
        )


def as_markdown() -> str:
    """Write docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Made by `intercom settings --markdown > docs/settings.md`; a test keeps it true.",
        "",
        "Each setting is a variable of the environment, such as `INTERCOM_SIP_PORT=5070`, or a line",
        "of the settings file that `--settings FILE` or `INTERCOM_SETTINGS` names: TOML with the",
        "lower-case name (`sip_port = 5070`), or, when it does not end in `.toml`, lines as in the",
        "environment. The environment wins over the file. Lists in the environment are separated by",
        "commas. A name that is no setting is refused, and so is a wrong value, before anything starts.",
        "",
        "`intercom settings` shows what is in force.",
        "",
        "| setting | default | what it does |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| `{one.variable}`<br>{one.kind} | {_cell(one.default)} | {one.text}"
        f" If it is wrong: {one.remedy}. |"
        for one in describe()
    ]
    return "\n".join(lines) + "\n"


def as_text(settings: Settings | None) -> str:
    """Write the settings for a terminal."""
    blocks = []
    for one in describe(settings):
        shown = one.default if one.value is None else one.value
        origin = "" if shown == one.default else f"   (default: {one.default})"
        blocks.append(f"{one.variable} = {shown}{origin}\n    {one.text}")
    return "\n\n".join(blocks)


def _cell(default: str) -> str:
    return default if " " in default or default in ("required", "none") else f"`{default}`"


def _show(value: object) -> str:
    match value:
        case None | ():
            return "none"
        case SecretStr():
            return _MASK
        case Enum():
            return str(value.value)
        case tuple():
            return ",".join(str(part) for part in value)
        case float():
            return f"{value:g}"
        case _:
            return _PASSWORD_IN_URL.sub(rf"\1:{_MASK}@", str(value))


def _kind(annotation: Any) -> str:  # noqa: ANN401 - a type of any shape
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, types.UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is tuple:
        return "list"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(member.value for member in annotation)
    return _KINDS.get(annotation, "text")
