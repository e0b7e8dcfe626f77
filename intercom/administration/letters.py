"""What the mails say: the same words as plain text and as simple HTML, in the account's language."""

from dataclasses import dataclass
from html import escape

from intercom.adapters.mail import Letter
from intercom.administration import invitations
from intercom.texts import words

SET_PASSWORD = "/admin/password/"  # noqa: S105 - a path, no secret
CONFIRM = "/admin/confirm/"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a mail may say."""

    name: str
    email: str
    username: str
    language: str
    place: str = ""
    """The property by name and address; empty: the service itself."""
    unit: str = ""
    contact: str = ""
    """Whom to ask; empty: nobody is named."""
    lines: tuple[str, ...] = ()
    """ALERT: what is wrong, each in the account's language."""
    is_staff: bool = False
    """The account is for Webadmin alone: nobody rings it."""


@dataclass(frozen=True, slots=True)
class _Paragraph:
    text: str
    link: str = ""
    """The text is what leads there."""


def letter(kind: str, facts: Facts, origin: str, token: str) -> Letter:
    """Write one of the mails; `token` is empty where it has no link of its own."""
    language = facts.language

    def say(key: str) -> str:
        return words(
            language,
            f"mail.{key}",
            name=facts.name,
            username=facts.username,
            place=facts.place or words(language, "mail.service"),
            unit=facts.unit,
            contact=facts.contact,
        )

    body = [_Paragraph(say("hello"))]
    if kind == invitations.ALERT:
        body += [_Paragraph(say("alert.text")), *(_Paragraph(f"* {each}") for each in facts.lines)]
        body += [_Paragraph(say("alert.link"), f"{origin}/admin")]
    else:
        path = SET_PASSWORD if kind in {invitations.INVITATION, invitations.PASSWORD} else CONFIRM
        body += [
            _Paragraph(say(f"{kind}.text")),
            _Paragraph(say(f"{kind}.link"), f"{origin}{path}{token}"),
            _Paragraph(say(f"{kind}.once")),
        ]
        if kind == invitations.INVITATION:
            where = ("admin", "/admin") if facts.is_staff else ("app", "/")
            body += [_Paragraph(say(f"invitation.{where[0]}"), origin + where[1])]
        body += [_Paragraph(say("not_you"))]
    if facts.contact:
        body += [_Paragraph(say("ask"))]
    return Letter(
        to_name=facts.name,
        to_email=facts.email,
        subject=say(f"{kind}.subject"),
        text=_text(body),
        html=_html(body, language),
        language=language,
    )


def _text(body: list[_Paragraph]) -> str:
    return (
        "\n\n".join(f"{each.text}\n{each.link}" if each.link else each.text for each in body) + "\n"
    )


def _html(body: list[_Paragraph], language: str) -> str:
    shown = "\n".join(
        f'<p><a href="{escape(each.link)}" style="color:#1f5f8b;font-weight:600">{escape(each.text)}</a></p>'
        if each.link
        else f"<p>{escape(each.text)}</p>"
        for each in body
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"></head>'
        '<body style="font-family:sans-serif;font-size:16px;line-height:1.5;color:#16191c;'
        f'max-width:34em">\n{shown}\n</body></html>\n'
    )
