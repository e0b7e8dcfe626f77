"""A panel that proves by its TLS certificate who it is, and needs no password."""

from dataclasses import dataclass

import pytest

from intercom.app import Service
from intercom.sip.address import Address
from intercom.sip.events import InviteFailed, InviteReceived
from intercom.sip.offer_answer import make_offer
from tests.adapters.sip_rig import HOST, SOUND, Stranger, stranger, until
from tests.adapters.stream_rig import CRLF, Authority, client_of, free_tcp_port
from tests.test_app import PASSWORD, building, press, service_with

NAME = "sip.intercom.example"
YARD = """
[[panel]]
id = "yard"
door = "main"
certificate_name = "Panel-Yard.example"
buttons = { "anna" = "anna" }
"""


def request(method: str, user: str, *, body: bytes = b"", number: int = 1) -> bytes:
    """Write what a panel says over TLS."""
    to = "anna" if method == "INVITE" else user
    lines = [
        f"{method} sip:{to}@{HOST} SIP/2.0",
        f"Via: SIP/2.0/TLS panel.invalid;branch=z9hG4bK{number}{user};rport",
        f"From: <sip:{user}@{HOST}>;tag={number}",
        f"To: <sip:{to}@{HOST}>",
        f"Call-ID: {number}{user}",
        f"CSeq: 1 {method}",
        "Max-Forwards: 70",
        f"Contact: <sip:{user}@{HOST};transport=tls>",
        *(["Content-Type: application/sdp"] if body else []),
        f"Content-Length: {len(body)}",
    ]
    return (CRLF.join(lines) + CRLF + CRLF).encode() + body


@dataclass
class House:
    authority: Authority
    service: Service
    carrier: Stranger

    def panel_with(self, name):
        """Let a panel connect by TLS with a certificate of that name."""
        context = self.authority.client_context(self.authority.issue("a panel", name, file="panel"))
        return client_of(self.service.settings.sip_tls_port, context=context, name=NAME)


@pytest.fixture
async def house(tmp_path, monkeypatch):
    """Run the service with a panel "main" that has a password and "yard" that has none."""
    monkeypatch.setenv("INTERCOM_SECRET_PANEL", PASSWORD)
    authority = Authority(tmp_path)
    certificate, key = authority.issue("router", NAME)
    tls = {
        "sip_tls_certificate": certificate,
        "sip_tls_key": key,
        "sip_tls_port": free_tcp_port(),
        "sip_tls_client_ca": authority.file,
    }
    async with stranger() as carrier, service_with(carrier.address, tmp_path, **tls) as service:
        (tmp_path / "building.toml").write_text(building(carrier.address) + YARD)
        await service.reload()
        yield House(authority, service, carrier)


async def test_a_panel_whose_certificate_says_who_it_is_rings_without_a_password(house):
    async with house.panel_with("panel-yard.example") as panel:
        panel.send(request("REGISTER", "yard"))
        assert (await panel.message()).startswith("SIP/2.0 200 ")

        panel.send(request("INVITE", "yard", body=make_offer(SOUND), number=2))
        assert (await panel.message()).startswith("SIP/2.0 100 ")
        await house.carrier.hear(InviteReceived)


@pytest.mark.parametrize(
    ("name", "user"),
    [("panel-garden.example", "yard"), ("panel-yard.example", "main"), (NAME, "yard")],
)
@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
async def test_another_name_or_another_panels_is_asked_for_a_password(house, name, user, method):
    async with house.panel_with(name) as panel:
        panel.send(request(method, user, body=make_offer(SOUND) if method == "INVITE" else b""))

        assert (await panel.message()).startswith("SIP/2.0 401 ")


async def test_a_panel_without_a_password_cannot_come_by_udp(house):
    service, carrier = house.service, house.carrier
    async with stranger() as other:
        host = f"{HOST}:{service.settings.sip_port}"
        other.sip.endpoint.invite(
            other.sip.now,
            target=f"sip:anna@{host}",
            destination=Address(HOST, service.settings.sip_port),
            from_uri=f"sip:yard@{host}",
            body=other.offer,
        )
        other.sip.flush()
        failed = await other.hear(InviteFailed)
        press(other, service)
        await until(lambda: carrier.all(InviteReceived))

        assert failed.status == 401
        assert len(carrier.all(InviteReceived)) == 1
