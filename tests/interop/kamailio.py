"""Kamailio: a proxy and registrar that others wrote, before the router or behind it.

panel ──► Kamailio ──► router            (UDP, TCP or TLS toward the router)
          router ──► Kamailio ──► phones (digest, one INVITE forked to all that are registered)
"""

import asyncio
import socket
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import override

from tests.interop.house import HOST, TRUNK_PASSWORD, TRUNK_USER
from tests.interop.machine import ChildProcess, found, free_tcp_port, is_bound, until

REGISTER_S = 2.0

CORE = """
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:{host}:{port}
listen=tcp:{host}:{port}
{tls_listen}
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("rr", "enable_double_rr", 1)
modparam("rr", "append_fromtag", 0)
modparam("registrar", "append_branches", 1)
modparam("tm", "auto_inv_100_reason", "Trying by the proxy")
{tls}
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "No route set");
        exit;
    }}
    t_check_trans();
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
    if (is_method("REGISTER")) {{ save("location"); exit; }}
{route}
}}
"""
TLS = """
enable_tls=yes
loadmodule "tls.so"
modparam("tls", "config", "{config}")
"""
TLS_CONFIG = """
[server:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
certificate = {certificate}
private_key = {key}
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
ca_list = {ca}
"""
TO_ROUTER = """
    record_route();
    $du = "sip:{host}:{port};transport={transport}";
    t_relay();
"""
TO_PHONES = """
    if (!pv_proxy_authenticate("carrier", "{password}", "0")) {{
        proxy_challenge("carrier", "0");
        exit;
    }}
    if ($au != "{username}") {{ sl_send_reply("403", "Not your line"); exit; }}
    consume_credentials();
    record_route();
    if (!lookup("location")) {{ sl_send_reply("404", "Not here"); exit; }}
    t_relay();
"""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What Kamailio needs for TLS: a certificate of its own, and whom it believes."""

    certificate: Path
    key: Path
    ca: Path


class Kamailio(ChildProcess):
    """One Kamailio with one of the routes above."""

    def __init__(self, route: str, *, folder: Path, secrets: Secrets | None = None) -> None:
        super().__init__(folder, "kamailio")
        self._route = route
        self._secrets = secrets
        self.address = (HOST, free_tcp_port(HOST))
        self.tls_address = (HOST, free_tcp_port(HOST))

    @classmethod
    def before(
        cls,
        router: tuple[str, int],
        *,
        folder: Path,
        transport: str = "udp",
        secrets: Secrets | None = None,
    ) -> Self:
        """Make one that hands every call to the router."""
        host, port = router
        route = TO_ROUTER.format(host=host, port=port, transport=transport)
        return cls(route, folder=folder, secrets=secrets)

    @classmethod
    def carrier(cls, *, folder: Path, secrets: Secrets | None = None) -> Self:
        """Make one that asks for the trunk's password and rings every phone that is registered."""
        route = TO_PHONES.format(username=TRUNK_USER, password=TRUNK_PASSWORD)
        return cls(route, folder=folder, secrets=secrets)

    async def __aenter__(self) -> Self:
        program = found("kamailio", "kamailio kamailio-tls-modules")
        run = self.folder / "kamailio"
        run.mkdir()
        file = self.folder / "kamailio.cfg"
        file.write_text(self._config())
        await self.spawn(
            *(program, "-DD", "-E", "-f", str(file), "-Y", str(run)),
            *("-P", str(run / "pid"), "-m", "64", "-M", "8"),
        )
        last = self.tls_address if self._secrets else self.address
        await until(lambda: is_bound(last, is_tcp=True) or not self.is_running)
        assert self.is_running, self.log.read_text()
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.stop()

    async def register(self, user: str, contact: tuple[str, int]) -> None:
        """Register a phone, as it would do itself."""
        host, port = self.address
        here, there = "{}:{}".format(*contact), f"{host}:{port}"
        message = (
            f"REGISTER sip:{there} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:9;branch=z9hG4bK{here};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{user}@{there}>;tag={here}\r\nTo: <sip:{user}@{there}>\r\n"
            f"Call-ID: {here}\r\nCSeq: 1 REGISTER\r\nContact: <sip:phone@{here}>;expires=300\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.bind((host, 0))
            phone.setblocking(False)
            async with asyncio.timeout(REGISTER_S):
                await loop.sock_sendto(phone, message.encode(), self.address)
                answer = await loop.sock_recv(phone, 4096)
        assert answer.startswith(b"SIP/2.0 200"), answer

    def _config(self) -> str:
        host, port = self.address
        listen, tls = "", ""
        if self._secrets is not None:
            config = self.folder / "kamailio-tls.cfg"
            config.write_text(
                TLS_CONFIG.format(
                    certificate=self._secrets.certificate,
                    key=self._secrets.key,
                    ca=self._secrets.ca,
                )
            )
            listen = f"listen=tls:{host}:{self.tls_address[1]}"
            tls = TLS.format(config=config)
        return CORE.format(host=host, port=port, tls_listen=listen, tls=tls, route=self._route)
