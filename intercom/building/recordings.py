"""The recordings that a property gives in place of our words: read, judged and made fit.

One that cannot be used is a doubt, not a fault: a door must ring all the same, and our own words are
said until it is mended.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from intercom.building.faults import Faults
from intercom.building.lines import Path
from intercom.building.tables import PromptsTable
from intercom.errors import ConfigError
from intercom.media.wav import MAX_FILE_BYTES
from intercom.routing.plan import PANEL_MARGIN_S

if TYPE_CHECKING:
    from intercom.building.check import Tables
    from intercom.media.recording import Recording

Recordings = dict[Path, bytes]
"""16-bit PCM, 8 kHz, mono, by the place of what names the file."""

_MEANWHILE = "until then our own words are said"
_CUT_OFF_S = {
    "nobody_answers": PANEL_MARGIN_S,
    "nobody_reachable": PANEL_MARGIN_S,
    "too_many_calls": PANEL_MARGIN_S,
    "quiet_hours": PANEL_MARGIN_S,
    "no_callback": 15.0,
}
"""When these end, whether they have been said or not."""


def read_recordings(tables: "Tables", faults: Faults, file: FilePath) -> Recordings:
    """Read every recording that can be used; a file's path is relative to the building file."""
    recordings: Recordings = {}
    for path, name in _named(tables):
        try:
            recording = prepare_file(file.parent / name)
        except ConfigError as error:
            faults.warn(path, f"{error}; {_MEANWHILE}")
            continue
        recordings[path] = recording.pcm
        limit_s = _CUT_OFF_S.get(str(path[-1]), recording.length_s)
        if recording.length_s > limit_s:
            doubt = f"{name} lasts {recording.length_s:.1f} s and is cut off after {limit_s:g} s"
            faults.warn(path, doubt)
    return recordings


def prepare_file(file: FilePath) -> "Recording":
    """Read a file and make it fit; ConfigError names it, what is wrong and what to do."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except PermissionError as error:
        msg = f"{file} may not be read by this user: chown or chgrp it to the service's user"
        raise ConfigError(msg) from error
    except OSError as error:
        msg = f"{file} cannot be read ({error.strerror}): put the WAV file there"
        raise ConfigError(msg) from error
    recording = importlib.import_module("intercom.media.recording")  # late: numpy takes its time
    try:
        prepared: Recording = recording.prepare(content)
    except ConfigError as error:
        msg = f"{file} {error}"
        raise ConfigError(msg) from error
    return prepared


def _named(tables: "Tables") -> Iterator[tuple[Path, str]]:
    prompts = tables.property.prompts if tables.property is not None else PromptsTable()
    for words, name in prompts.model_dump(exclude_none=True).items():
        yield ("property", "prompts", words), name
    for position, door in tables.doors.items():
        if door.recording is not None:
            yield ("door", position, "recording"), door.recording
