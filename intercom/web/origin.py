"""Whether a request comes from our own page (the cookie alone does not say so)."""

from urllib.parse import urlsplit

from aiohttp import web


def is_same_origin(request: web.Request, origins: frozenset[str], *, is_required: bool) -> bool:
    """Compare Origin (RFC 6454 §7) with the Host that was asked for, or with the allowed ones.

    The scheme is left out: behind a proxy that ends TLS we are asked by plain HTTP.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return not is_required
    if origin in origins:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == request.host.lower()
