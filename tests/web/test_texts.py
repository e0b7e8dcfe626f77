"""The page's words: every one in all four languages, every one used."""

import json
import re

from intercom.web.server import STATIC

JS = STATIC / "js"
LANGUAGES = ("en", "nb", "nn", "sv")


def texts(language: str) -> dict[str, str]:
    source = (JS / "texts" / f"{language}.js").read_text("utf-8")
    parsed: dict[str, str] = json.loads(source.removeprefix("export default ").rstrip("; \n"))
    return parsed


def code() -> str:
    return "\n".join(path.read_text("utf-8") for path in JS.glob("*.js") if path.name != "i18n.js")


def test_all_languages_have_the_same_keys():
    for language in LANGUAGES:
        assert set(texts("en")) == set(texts(language)), language


def test_every_key_in_use_has_a_text_and_every_text_is_in_use():
    used = set(re.findall(r'\bt\("([^"]+)"', code()))

    assert used == set(texts("en"))


def test_keys_are_written_out_so_that_a_missing_one_can_be_found():
    assert re.findall(r'\bt\((?!")[^)]*\)', code()) == []


def test_translations_take_the_same_values():
    names = re.compile(r"\{\w+\}")
    translations = [texts(language) for language in LANGUAGES]

    for key, text in texts("en").items():
        for each in translations:
            assert sorted(names.findall(text)) == sorted(names.findall(each[key])), key


def test_residents_read_no_technical_words():
    for language in LANGUAGES:
        for key, text in texts(language).items():
            assert not re.search(r"\b(session|relay|SIP|WebRTC|websocket)\b", text, re.I), key
