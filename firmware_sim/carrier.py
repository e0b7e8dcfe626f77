"""A telephone carrier in a box: a trunk for the router, subscribers' phones, and their bad days.

    python -m firmware_sim.carrier --trunk-user intercom --trunk-password secret
        --subscriber +4790000001:4790000001:secret [--answering-machine-after-s 25] [--announcement]

The trunk and the phones have a port each, because the phones' pyVoIP knows MD5 alone.

    GET  /api/calls       every call: from, to, asserted identity, result, when each step was reached
    GET  /api/state       who is registered, which faults are on
    GET  /api/heard.wav   what the answering machine recorded last
    POST /api/fault       {"name": "busy", "on": true}: see `Fault`
"""

import argparse
import asyncio
from dataclasses import asdict

from aiohttp import web

from firmware_sim import process
from firmware_sim.carrier_switch import Fault, Service, Subscriber, Switch
from firmware_sim.sip_socket import BuildEndpoint, open_sip_socket, token
from intercom.sip.address import Address
from intercom.sip.endpoint import Endpoint, EndpointConfig

USER_AGENT = "Carrier in a box"
REALM = "carrier"


def control(switch: Switch, service: Service) -> web.Application:
    """Build the carrier's HTTP API."""
    faults = {fault.name.lower(): fault for fault in Fault}

    def faults_on() -> list[str]:
        return sorted(fault.name.lower() for fault in switch.faults)

    async def calls(_: web.Request) -> web.Response:
        return web.json_response([asdict(record) for record in switch.records])

    async def state(_: web.Request) -> web.Response:
        registered = {s.number: switch.is_registered(s) for s in service.subscribers}
        return web.json_response({"registered": registered, "faults": faults_on()})

    async def heard(_: web.Request) -> web.Response:
        return switch.heard_by_machine.response()

    async def fault(request: web.Request) -> web.Response:
        body = await process.json_body(request)
        name, is_on = str(body.get("name")), bool(body.get("on", True))
        if name not in faults:
            raise web.HTTPBadRequest(text=f"No fault {name!r}; there is {', '.join(faults)}.")
        switch.set_fault(faults[name], is_on=is_on)
        return web.json_response({"faults": faults_on()})

    app = web.Application()
    app.add_routes(
        [
            web.get("/api/calls", calls),
            web.get("/api/state", state),
            web.get("/api/heard.wav", heard),
            web.post("/api/fault", fault),
        ]
    )
    return app


async def main(arguments: argparse.Namespace) -> None:
    """Run the carrier until cancelled."""
    service = Service(
        tuple(arguments.subscriber),
        tuple(arguments.allowed_caller_id),
        arguments.answering_machine_after_s,
        arguments.announcement,
    )
    host = arguments.host
    trunk_passwords = {arguments.trunk_user: arguments.trunk_password}
    phone_passwords = {each.username: each.password for each in service.subscribers}
    async with asyncio.TaskGroup() as tasks:
        switch = Switch(service, host, tasks)
        trunk = open_sip_socket(
            host,
            arguments.sip_port,
            _build(trunk_passwords, is_md5_only=arguments.legacy_digest),
            switch.on_trunk,
        )
        phones = open_sip_socket(
            host,
            arguments.subscriber_port,
            _build(phone_passwords, is_md5_only=True),
            switch.on_subscriber,
        )
        async with (
            trunk as switch.trunk,
            phones as switch.subscribers,
            process.control_server(control(switch, service), arguments.http_port) as http_port,
        ):
            process.ready(
                sip_port=switch.trunk.local.port,
                subscriber_port=switch.subscribers.local.port,
                http_port=http_port,
            )
            await asyncio.Event().wait()


def _build(passwords: dict[str, str], *, is_md5_only: bool = False) -> BuildEndpoint:
    def build(local: Address) -> Endpoint:
        config = EndpointConfig(
            local=local,
            user_agent=USER_AGENT,
            realm=REALM,
            password_of=passwords.get,
            digest_md5_only=is_md5_only,
        )
        return Endpoint(config, token=token)

    return build


def _subscriber(text: str) -> Subscriber:
    number, username, password = text.split(":", 2)
    return Subscriber(number, username, password)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="firmware_sim.carrier",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sip-port", type=int, default=0, help="the trunk's, UDP")
    parser.add_argument("--subscriber-port", type=int, default=0, help="the phones', UDP")
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--host", default=process.HOST)
    parser.add_argument("--trunk-user", required=True)
    parser.add_argument("--trunk-password", required=True)
    parser.add_argument(
        "--subscriber",
        type=_subscriber,
        action="append",
        default=[],
        metavar="NUMBER:USER:PASSWORD",
    )
    parser.add_argument(
        "--allowed-caller-id", action="append", default=[], help="E.164; may be repeated; else any"
    )
    parser.add_argument("--answering-machine-after-s", type=float, default=None)
    parser.add_argument("--legacy-digest", action="store_true", help="MD5 for the trunk, too")
    parser.add_argument("--announcement", action="store_true", help="speak before it rings")
    return parser.parse_args()


if __name__ == "__main__":
    process.run(lambda: main(_arguments()))
