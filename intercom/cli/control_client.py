"""Talks to the running service over its control socket."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

ANSWER_LIMIT_S = 20.0
"""Above the service's own limit for a relay test."""


class ControlError(Exception):
    """The service could not be asked, or has refused; the message says it to a person."""

    def __init__(self, message: str, *, is_reached: bool = True) -> None:
        super().__init__(message)
        self.is_reached = is_reached


async def ask(
    path: Path,
    method: str,
    resource: str,
    body: Mapping[str, object] | None = None,
    *,
    limit_s: float = ANSWER_LIMIT_S,
) -> dict[str, Any]:
    """Ask once and give the answer's JSON object; ControlError otherwise."""
    async with (
        _session(path, limit_s) as session,
        session.request(method, f"http://control{resource}", json=body) as response,
    ):
        answer = await response.json(content_type=None)
        if response.status != 200:
            raise ControlError(str(answer.get("error", f"The service answered {response.status}.")))
        return dict(answer)


async def follow(path: Path, resource: str = "/trace/stream") -> AsyncIterator[dict[str, Any]]:
    """Give each further step, or whatever else is streamed, until the service stops."""
    async with (
        _session(path, limit_s=None) as session,
        session.get(f"http://control{resource}") as response,
    ):
        if response.status != 200:
            answer = await response.json(content_type=None)
            raise ControlError(str(answer.get("error", f"The service answered {response.status}.")))
        async for line in response.content:
            if line.strip():
                yield json.loads(line)


@contextlib.asynccontextmanager
async def _session(
    path: Path, limit_s: float | None = ANSWER_LIMIT_S
) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.UnixConnector(str(path))
    timeout = aiohttp.ClientTimeout(total=limit_s)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield session
    except aiohttp.ClientConnectorError as error:
        raise ControlError(_why(path, error.os_error), is_reached=False) from error
    except TimeoutError as error:
        msg = f"The service does not answer on {path}: is it overloaded?"
        raise ControlError(msg, is_reached=False) from error
    except (aiohttp.ClientError, ValueError) as error:
        msg = f"The service went away while it was asked ({type(error).__name__})."
        raise ControlError(msg, is_reached=False) from error


def _why(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"You may not use {path}: run this as the service's user, or with sudo."
    return (
        f"No service runs here: nothing listens on {path.absolute()}. Start it with `intercom serve`,"
        " or say where its socket is by --socket or INTERCOM_CONTROL_SOCKET."
    )
