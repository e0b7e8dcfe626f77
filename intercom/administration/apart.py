"""Long work on the database in a process of its own, so that no call waits for it.

    ours: the work and what is given to it ─▶ stdin ─▶ the other: one session, all or nothing
    ours: what came of it, bounded        ◀─ stdout ◀─ the other: ends

A thread would share the interpreter with the calls, and a large import takes it for seconds. The other
process has a lower priority. It gives back little: what a page shows, not what was read.
"""

import asyncio
import contextlib
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from intercom.errors import RefusedError, StoreDownError
from intercom.store.database import LONG_S, Database, Touched

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Work = Callable[Concatenate[AsyncSession, _P], Awaitable[_T]]

NICE = 10
"""Added to this service's own: calls come first."""
MOST_TOLD = 500
"""Rows that are told one by one; of more the snapshot reads everything again, as after any other process."""
_START_S = 30.0


async def read_apart(
    database: Database, work: _Work[_P, _T], *given: _P.args, **named: _P.kwargs
) -> _T:
    """Do work that only reads; it is a function of a module, and all that goes in and out is plain.

    Raises what `Database.reading` does, and the work's own RefusedError.
    """
    result, _ = await _done(database, False, work, given, named)
    return result  # type: ignore[no-any-return]  # it is what the work gave


async def write_apart(
    database: Database, work: _Work[_P, _T], *given: _P.args, **named: _P.kwargs
) -> _T:
    """Do work that writes, whole or not at all; meanwhile nobody else of this process writes.

    Raises what `Database.writing` does, and the work's own RefusedError.
    """
    async with database.lent(LONG_S + _START_S):
        result, touched = await _done(database, True, work, given, named)
    if touched:
        database.tell(touched)
    return result  # type: ignore[no-any-return]  # it is what the work gave


async def _done(
    database: Database, is_writing: bool, work: object, given: object, named: object
) -> tuple[Any, Touched]:
    url = database.url.render_as_string(hide_password=False)
    job = await asyncio.to_thread(pickle.dumps, (url, is_writing, work, given, named))
    async with database.apart:
        answer, status = await _ask(job)
    if status:
        msg = f"long work ended with {status}"
        raise RuntimeError(msg)
    came: tuple[Any, ...] = pickle.loads(answer)  # noqa: S301 - our own process wrote it
    match came:
        case "done", result, touched:
            return result, touched
        case "refused", key, field, values:
            raise RefusedError(key, field=field, **values)
        case "down", words:
            raise StoreDownError(words)
        case _:
            msg = f"long work failed: {came[-1]}"
            raise RuntimeError(msg)


async def _ask(job: bytes) -> tuple[bytes, int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        __name__,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        answer, _ = await process.communicate(job)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return answer, process.returncode or 0


async def _answer(
    url: str,
    is_writing: bool,
    work: _Work[..., object],
    given: tuple[object, ...],
    named: dict[str, object],
) -> tuple[object, ...]:
    database = Database(url)
    touched: list[Touched] = []
    database.on_change.append(touched.append)
    session_of = database.writing if is_writing else database.reading
    try:
        async with session_of(LONG_S) as session:
            result = await work(session, *given, **named)
    except RefusedError as error:
        return "refused", error.key, error.field, error.values
    except StoreDownError as error:
        return "down", str(error)
    except Exception as error:  # noqa: BLE001 - ours logs it: where and what, without anybody's data
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "failed", f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
    finally:
        await database.close()
    told = frozenset[Any]().union(*touched)
    return "done", result, told if len(told) <= MOST_TOLD else frozenset()


def _main() -> None:
    with contextlib.suppress(OSError):  # systemd may forbid it
        os.nice(NICE)
    job = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own process wrote it
    sys.stdout.buffer.write(pickle.dumps(asyncio.run(_answer(*job))))


if __name__ == "__main__":
    _main()
