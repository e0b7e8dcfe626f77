"""An operator's browser, as far as the bench needs one: logs in, looks at pages, sends forms."""

import re
import time
from urllib.parse import parse_qs, urlsplit

import aiohttp

_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_MARK = re.compile(r'name="mark" value="([^"]+)"')
_UNDO = re.compile(r"import/undo\?import=(\d+)")
_TIMEOUT = aiohttp.ClientTimeout(total=300)


class Visitor:
    """One session in Webadmin; times in ms, from the request to the last byte of the answer."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._jar = aiohttp.CookieJar(unsafe=True)
        self._http = aiohttp.ClientSession(
            cookie_jar=self._jar, headers={"Origin": base}, timeout=_TIMEOUT
        )
        self._csrf = ""
        self.text = ""
        """The last page."""

    async def close(self) -> None:
        await self._http.close()

    async def log_in(self, username: str, password: str) -> None:
        form = {"username": username, "password": password, "next": ""}
        await self._send("/admin/login", form)
        await self.get("/admin/me")

    async def get(self, path: str) -> float:
        """Look at a page."""
        began = time.perf_counter()
        async with self._http.get(self._base + path, allow_redirects=False) as answer:
            await self._take(answer, 200)
        return (time.perf_counter() - began) * 1000

    async def preview(self, property_id: str, file: bytes) -> float:
        """Upload a file."""
        form = aiohttp.FormData({"csrf": self._csrf})
        form.add_field("file", file, filename="people.csv", content_type="text/csv")
        return await self._send(f"/admin/p/{property_id}/import", form, expected=200)

    async def import_(self, property_id: str, text: str) -> float:
        """Do what the preview shows, without invitations."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in {"csrf": self._csrf, "mark": _found(_MARK, self.text)}.items():
            form.add_field(name, value)
        form.add_field("text", text)
        return await self._send(f"/admin/p/{property_id}/import/apply", form)

    async def ask_undo(self, property_id: str) -> float:
        """See what taking the last import back would do."""
        await self.get(f"/admin/p/{property_id}/import")
        path = f"/admin/p/{property_id}/import/undo?import={_found(_UNDO, self.text)}"
        self._undo = parse_qs(urlsplit(path).query)["import"][0]
        return await self.get(path)

    async def undo(self, property_id: str) -> float:
        form = {"csrf": self._csrf, "import": self._undo}
        return await self._send(f"/admin/p/{property_id}/import/undo", form)

    async def delete(self, property_id: str, name: str) -> float:
        form = {"csrf": self._csrf, "typed_name": name}
        return await self._send(f"/admin/p/{property_id}/settings/delete", form)

    async def _send(
        self, path: str, form: aiohttp.FormData | dict[str, str], *, expected: int = 303
    ) -> float:
        began = time.perf_counter()
        post = self._http.post(self._base + path, data=form, allow_redirects=False)
        async with post as answer:
            await self._take(answer, expected)
        return (time.perf_counter() - began) * 1000

    async def _take(self, answer: aiohttp.ClientResponse, expected: int) -> None:
        self.text = await answer.text()
        if answer.status != expected:
            msg = f"{answer.method} {answer.url}: {answer.status}\n{self.text[:3000]}"
            raise SystemExit(msg)
        found = _CSRF.search(self.text)
        self._csrf = found[1] if found else self._csrf


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None:
        msg = f"{pattern.pattern} is not on the page"
        raise SystemExit(msg)
    return found[1]
