"""A person at a browser's tab: finds things by what stands on them, and every click and field is counted."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from playwright.async_api import FilePayload, Locator, Page, expect

PAGE_MS = 15_000.0
ENGLISH = "en-GB"


@dataclass
class Effort:
    """What was done, by whomever."""

    clicks: int = 0
    fields: int = 0

    def seconds(self, pace_s: float) -> float:
        """Say how long that takes a person who needs `pace_s` for each."""
        return pace_s * (self.clicks + self.fields)


@dataclass
class Hand:
    """Works on one tab."""

    page: Page
    effort: Effort = field(default_factory=Effort)
    look: Callable[[Page], Awaitable[list[str]]] | None = None
    """Lists what is wrong with a page, for those who cannot see it or use a mouse."""
    faults: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """The titles of the pages that came up; each is looked at once."""

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PAGE_MS)

    async def opens(self, address: str) -> None:
        """Follow a link that is not on the page, as out of a mail."""
        self.effort.clicks += 1
        await self.page.goto(address)
        await self.arrived()

    async def presses(self, name: str, role: str = "button", within: str = "body") -> None:
        """Press a button or link that leads on."""
        await self._leads_on(self._named(name, role, within))

    async def follows(self, name: str, within: str = "main") -> None:
        """Follow a link of the page."""
        await self.presses(name, "link", within)

    async def takes(self, heading: str) -> None:
        """Press the row of a list that has this heading."""
        await self._leads_on(self.page.locator("main a.row").filter(has_text=heading).first)

    async def gives(self, label: str, name: str, content: bytes) -> None:
        """Choose a file."""
        self.effort.fields += 1
        file = FilePayload(name=name, mimeType="text/csv", buffer=content)
        await self._labelled(label).set_input_files(file)

    async def goes_to(self, section: str) -> None:
        """Go to a section by the navigation."""
        await self.presses(section, "link", "nav")

    async def unfolds(self, name: str) -> None:
        """Press what opens a part of the same page."""
        self.effort.clicks += 1
        await self.page.locator("summary").filter(has_text=name).first.click()

    async def fills(self, label: str, text: str, within: str = "body") -> None:
        """Type into the field with this label."""
        self.effort.fields += 1
        await self._labelled(label, within).fill(text)

    async def chooses(self, label: str, option: str) -> None:
        self.effort.fields += 1
        await self._labelled(label).select_option(label=option)

    async def picks(self, name: str) -> None:
        """Choose one of a few, or tick a box, by its heading."""
        self.effort.fields += 1
        await self.page.locator("label").filter(has=self.page.get_by_text(name, exact=True)).click()

    async def reads(self, *ids: str) -> dict[str, str]:
        """Copy what is shown once, and type it somewhere else."""
        self.effort.fields += len(ids)
        return {each: (await self.page.inner_text(f"#{each}")).strip() for each in ids}

    async def is_told(self, text: str, within: str = "main") -> None:
        """Wait until the page says something."""
        await expect(self.page.locator(within).first).to_contain_text(text, timeout=PAGE_MS)

    async def arrived(self, name: str = "") -> None:
        """Look at the page that came; a view of the app has its page's title, and so needs a name."""
        title = name or await self.page.title()
        is_new = title not in self.seen
        self.seen.append(title)
        if self.look is not None and is_new:
            self.faults += [f"{title}: {fault}" for fault in await self.look(self.page)]

    async def _leads_on(self, what: Locator) -> None:
        self.effort.clicks += 1
        async with self.page.expect_navigation():
            await what.click()
        await self.arrived()

    def _named(self, name: str, role: str, within: str) -> Locator:
        place = self.page.locator(within).first
        return place.get_by_role(role, name=name, exact=True).first  # type: ignore[arg-type]

    def _labelled(self, label: str, within: str = "body") -> Locator:
        """Find a field; an optional one says so behind its label."""
        exact = re.compile(rf"^\s*{re.escape(label)}( \(optional\))?\s*$")
        return self.page.locator(within).first.get_by_label(exact).first
