"""The panel's words: the router's, where it has sent some, else those that the firmware came with."""

from intercom import texts
from intercom.link.screen import ScreenContent

ROOM = "panel"


class PanelWords:
    """Speaks the property's language until a visitor chooses another."""

    def __init__(self, language: str) -> None:
        self._home = language
        self._chosen: str | None = None
        self._content = ScreenContent()

    @property
    def home(self) -> str:
        """The property's language."""
        return self._content.languages[0] if self._content.languages else self._home

    @property
    def language(self) -> str:
        return self._chosen or self.home

    @property
    def is_home(self) -> bool:
        return self.language == self.home

    @property
    def languages(self) -> tuple[str, ...]:
        """What a visitor may choose."""
        others = ("nb",) if self._home == "en" else ("en",)
        return self._content.languages or (self._home, *others)

    def take(self, content: ScreenContent) -> None:
        """Speak as the router says from now on."""
        self._content = content

    def choose(self, language: str | None) -> None:
        """Let a visitor choose; None, or one that is not offered: the property's again."""
        self._chosen = language if language in self.languages else None

    def find(self, key: str) -> str:
        """Give the words behind a key such as "state.calling"; empty where there are none."""
        sent = self._content.texts.get(self.language, {}).get(key)
        return sent if sent is not None else self._own().get(key, "")

    def labels(self) -> dict[str, str]:
        """Give what stands on buttons and lists, by its short key."""
        keys = [key for key in self._own() if key.startswith("label.")]
        return {key.removeprefix("label."): self.find(key) for key in keys}

    def name_of(self, language: str) -> str:
        """Give a language's own name for itself."""
        return texts.words(language, f"{ROOM}.label.language")

    def _own(self) -> dict[str, str]:
        found = texts.catalogue(ROOM, self.language)
        return {key.removeprefix(f"{ROOM}."): text for key, text in found.items()}
