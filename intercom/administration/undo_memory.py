"""What the undo of imports knows of people: an erased one is taken out of it, and the rest stays (A19)."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Text, cast, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.store.folding import folded
from intercom.store.models import Undo

_BY_ACCOUNT = ("accounts", "changes", "roles", "homes")
"""Parts of `roster_undo.Steps` whose entries begin with an account's id."""
_RENAMED = "bells_renamed"
"""The entries have a doorbell's id, and its names before and after, which may be a person's."""
_ASKED_FOR_BY_ID = 20
"""Of more people than that every undo is looked through."""


async def forget_people(session: AsyncSession, names: Mapping[int, str]) -> None:
    """Take people, by their ids, out of every undo; one that is left with nothing to undo goes, too."""
    words = {word for name in names.values() for word in folded(name).split()}
    found = select(Undo.id, Undo.steps)
    if len(names) <= _ASKED_FOR_BY_ID:
        steps = cast(Undo.steps, Text)
        marks = (f'"{_RENAMED}": [[', *(f"[{account_id}, " for account_id in names))
        found = found.where(or_(*(steps.contains(mark, autoescape=True) for mark in marks)))
    for undo_id, (before,) in (await session.execute(found)).all():
        after = _without(before, names.keys(), words)
        if after == before:
            continue
        change = (
            update(Undo).where(Undo.id == undo_id).values(steps=[after])
            if any(after.values())
            else delete(Undo).where(Undo.id == undo_id)
        )
        await session.execute(change.execution_options(synchronize_session=False))


def _without(
    steps: Mapping[str, list[Any]], gone: Collection[int], words: set[str]
) -> dict[str, list[Any]]:
    left = dict(steps)
    for part in _BY_ACCOUNT:
        left[part] = [each for each in steps[part] if each[0] not in gone]
    left[_RENAMED] = [
        [bell_id, *both]
        for bell_id, *both in steps[_RENAMED]
        if not any(words & set(folded(name).split()) for name in both)
    ]
    return left
