"""What pages and use cases say: every text and picture that they name is there."""

import re
from pathlib import Path

import intercom
from intercom.texts import catalogue
from intercom.web.admin.page import FOLDER, STATIC, _environment, _icons

CODE = Path(intercom.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))
_IN_PAGES = re.compile(r'\bt\("([a-z_]+\.[a-z0-9_.-]+)"[,)]')
_IN_CODE = re.compile(
    r'(?:RefusedError\(|words\([a-z_.]+, |done\([^"\n]*, )"([a-z_]+\.[a-z0-9_.-]+)"'
)
_ICON = re.compile(r'\b(?:icon|p\.glyph)\("([a-z0-9-]+)"')


def named(pattern: re.Pattern[str], paths: list[Path]) -> set[str]:
    return {key for path in paths for key in pattern.findall(path.read_text("utf-8"))}


def missing(keys: set[str]) -> list[str]:
    return sorted(key for key in keys if key not in catalogue(key.partition(".")[0], "en"))


def test_every_text_that_a_page_names_is_there():
    keys = named(_IN_PAGES, TEMPLATES)

    assert len(keys) > 200
    assert missing(keys) == []


def test_every_text_that_a_use_case_refuses_with_is_there():
    keys = named(_IN_CODE, sorted(CODE.rglob("*.py")))

    assert len(keys) > 50
    assert missing(keys) == []


def test_every_picture_that_a_page_names_is_there():
    assert sorted(named(_ICON, TEMPLATES) - _icons().keys()) == []


def test_every_template_can_be_read():
    for path in TEMPLATES:
        assert _environment().get_template(path.name) is not None


def test_styles_name_no_place_outside_the_service():
    style = (STATIC / "admin.css").read_text("utf-8")

    assert "http" not in style
    assert "@import" not in style
