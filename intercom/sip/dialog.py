"""Dialog state (RFC 3261 §12): tags, sequence numbers, route set, remote target."""

from typing import Self

from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.draft import RequestDraft
from intercom.sip.headers import parse_name_address
from intercom.sip.message import Message, Request, Response
from intercom.sip.uri import next_hop, parse_uri


class Dialog:
    """One dialog, seen from our side."""

    __slots__ = (
        "is_flow",
        "is_lost",
        "local",
        "local_cseq",
        "peer",
        "remote",
        "remote_cseq",
        "remote_tag",
        "remote_target",
        "routes",
        "sip_call_id",
    )

    def __init__(
        self,
        *,
        sip_call_id: str,
        local: str,
        remote: str,
        remote_tag: str,
        remote_target: str,
        routes: tuple[str, ...],
        local_cseq: int,
        remote_cseq: int,
        peer: Address,
    ) -> None:
        self.sip_call_id = sip_call_id
        self.local = local
        """From or To value with our tag."""
        self.remote = remote
        self.remote_tag = remote_tag
        self.remote_target = remote_target
        self.routes = routes
        """Route values, next hop first."""
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        """Of the peer's newest request; -1 before its first."""
        self.peer = peer
        """Where the peer was heard or reached, for targets that need a look-up or lie behind NAT."""
        self.is_flow = False
        """`peer` is where a registered phone came from: its Contact may name a port that nobody has."""
        self.is_lost = False
        """The connection to `peer` is gone."""

    @classmethod
    def of_request(cls, request: Request, local_tag: str, source: Address) -> Self:
        """Make the UAS's side (RFC 3261 §12.1.1)."""
        return cls(
            sip_call_id=request.sip_call_id,
            local=f"{request.required('to')};tag={local_tag}",
            remote=request.required("from"),
            remote_tag=request.from_.tag,
            remote_target=_target(request, request.from_.uri, source),
            routes=tuple(request.listed("record-route")),
            local_cseq=0,
            remote_cseq=request.cseq.number,
            peer=source,
        )

    @classmethod
    def of_response(
        cls,
        draft: RequestDraft,
        response: Response,
        destination: Address,
        *,
        is_flow: bool = False,
    ) -> Self:
        """Make the UAC's side (RFC 3261 §12.1.2)."""
        dialog = cls(
            sip_call_id=draft.sip_call_id,
            local=draft.from_,
            remote=response.required("to"),
            remote_tag=response.to.tag,
            remote_target=_target(response, draft.uri, destination),
            routes=tuple(reversed(response.listed("record-route"))),
            local_cseq=draft.cseq,
            remote_cseq=-1,
            peer=destination,
        )
        dialog.is_flow = is_flow
        return dialog

    def accept_cseq(self, number: int, source: Address) -> bool:
        """Take a request's number; False when it is not newer (RFC 3261 §12.2.2)."""
        if number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        self._follow(source)
        return True

    def _follow(self, source: Address) -> None:
        """Take the connection that a request came over in place of the one that is gone."""
        if self.is_lost and source.transport.is_stream and source.host == self.peer.host:
            self.peer = source
            self.is_lost = False

    def refresh_target(self, message: Message) -> None:
        """Take over the Contact of a re-INVITE or its 2xx."""
        self.remote_target = _target(message, self.remote_target, self.peer)

    def next_cseq(self) -> int:
        """Count up our own sequence number."""
        self.local_cseq += 1
        return self.local_cseq

    def draft(
        self,
        method: str,
        cseq: int,
        *,
        branch: str,
        sent_by: str,
        credentials: tuple[tuple[str, str], ...] = (),
        fields: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
    ) -> RequestDraft:
        """Write a request within the dialog (RFC 3261 §12.2.1.1)."""
        uri, routes = self.remote_target, self.routes
        if routes and not _is_loose(routes[0]):
            uri = parse_name_address(routes[0]).uri
            routes = (*routes[1:], f"<{self.remote_target}>")
        return RequestDraft(
            method=method,
            uri=uri,
            sent_by=sent_by,
            branch=branch,
            from_=self.local,
            to=self.remote,
            sip_call_id=self.sip_call_id,
            cseq=cseq,
            routes=routes,
            credentials=credentials,
            fields=fields,
            body=body,
        )

    def next_hop(self) -> Address:
        """Tell where requests within the dialog go.

        A peer behind a stream is reached on its connection, and when that is gone where its Contact
        or first Route say; what we opened by a host's name is opened again. A registered phone is
        reached by its flow (RFC 5626 §5.3), UDP too, unless a proxy wants to stay in between.
        """
        if self.is_flow and not self.is_lost and not self.routes:
            return self.peer
        try:
            uri = parse_name_address(self.routes[0]).uri if self.routes else self.remote_target
            return next_hop(uri, self.peer, is_lost=self.is_lost and not self.peer.name)
        except RemoteProtocolError:
            return self.peer


def _target(message: Message, default: str, peer: Address) -> str:
    """Read the remote target: Contact where it can be used, else what the dialog was made with."""
    try:
        contact = message.contact
        if contact is not None:
            next_hop(contact.uri, peer)
            return contact.uri
    except RemoteProtocolError:
        pass
    return default


def _is_loose(route: str) -> bool:
    try:
        return parse_uri(parse_name_address(route).uri).has_param("lr")
    except RemoteProtocolError:
        return True
