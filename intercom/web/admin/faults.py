"""Pages for what went wrong: not there, not allowed, refused, and "not saved" with the form to send once more."""

from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from intercom.errors import RefusedError, StoreDownError
from intercom.texts import words
from intercom.web.admin.form_body import FormBody, read_form
from intercom.web.admin.forms import words_of
from intercom.web.admin.gate import language_of
from intercom.web.admin.page import bare_page

PREFIX = "/admin"
_SECRETS = ("password", "code", "secret")
"""What a field's name contains whose value is never sent back to the browser."""
_NAMES: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "not_allowed",
    HTTPStatus.NOT_FOUND: "not_there",
    HTTPStatus.METHOD_NOT_ALLOWED: "not_there",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
}
_MAX_REPEATED_BYTES = 32 * 1024
"""A longer form is not repeated; the page says to go back to it."""


@web.middleware
async def fault_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what is raised under /admin into a page in plain words."""
    if not (request.path == PREFIX or request.path.startswith(PREFIX + "/")):
        return await handler(request)
    try:
        return await handler(request)
    except StoreDownError:
        return await _not_saved(request)
    except RefusedError as error:
        return _refused(request, error)
    except web.HTTPClientError as error:
        name = _NAMES.get(error.status)
        if name is None:
            raise
        return _said(request, HTTPStatus(error.status), name)


def _refused(request: web.Request, error: RefusedError) -> web.Response:
    if error.key.endswith(".not_there"):
        return _said(request, HTTPStatus.NOT_FOUND, "not_there")
    return _said(request, HTTPStatus.CONFLICT, "refused", words_of(language_of(request), error))


def _said(request: web.Request, status: HTTPStatus, name: str, text: str = "") -> web.Response:
    language = language_of(request)
    return bare_page(
        language,
        "fault.html",
        status=status,
        title=words(language, f"admin.fault.{name}.title"),
        text=text or words(language, f"admin.fault.{name}.text"),
    )


async def _not_saved(request: web.Request) -> web.Response:
    """Offer the same request once more; passwords are typed again, files chosen again."""
    fields: list[tuple[str, str]] = []
    secrets: list[str] = []
    is_whole = request.method == "GET"
    if request.method == "POST":
        is_whole = (request.content_length or 0) <= _MAX_REPEATED_BYTES
        body = await read_form(request, _MAX_REPEATED_BYTES) if is_whole else FormBody()
        is_whole = is_whole and not body.files
        for name, value in body.fields:
            if any(each in name for each in _SECRETS):
                secrets += [name] if value else []
            else:
                fields.append((name, value))
    response = bare_page(
        language_of(request),
        "not_saved.html",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        is_post=request.method == "POST",
        is_whole=is_whole,
        target=request.path_qs,
        fields=fields,
        secrets=secrets,
    )
    response.headers["Retry-After"] = "5"
    return response
