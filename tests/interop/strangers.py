"""Strangers to test against: sipp as a phone, trunk or caller; baresip as a panel in a namespace.

Each is an async context manager that starts one process, and ends it by its process id.

    async with Sipp("phone_presses_5_by_event", folder=tmp_path) as phone:
        ... call phone.address ...
        assert await phone.ended() == 0, phone.errors()

    async with Namespace() as namespace, Baresip(namespace, …, folder=tmp_path) as panel:
        await panel.registered()
        await panel.dial("sip:100@…")
"""

import asyncio
import contextlib
import json
import math
import secrets
import struct
import wave
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from tests.interop.machine import (
    CALL_S,
    START_S,
    ChildProcess,
    Namespace,
    found,
    free_port,
    free_tcp_port,
    is_bound,
    needs_root,
    text,
    until,
)

SCENARIOS = Path(__file__).parent / "scenarios"
BARESIP_MODULES = Path("/usr/lib/baresip/modules")
EVENT_S = 10.0
POLL_S = 0.05
MAX_EVENT_BYTES = 1 << 16


class Sipp(ChildProcess):
    """One sipp with one of the scenarios; exit code 0 says that every call went as written."""

    def __init__(
        self,
        scenario: str | Path,
        *,
        folder: Path,
        host: str = "127.0.0.1",
        remote: tuple[str, int] | None = None,
        calls: int = 1,
        service: str = "",
        caller: str = "",
        username: str = "",
        password: str = "",
        media_port: int = 0,
        is_tcp: bool = False,
        limit_s: float = CALL_S,
        more: tuple[str, ...] = (),
        **keys: str,
    ) -> None:
        """With `remote` it calls there; without, it waits to be called at `address`.

        `service` is the user part that it calls; `caller` its own; `keys` are words of its scenario,
        which is one of ours by its name, or a file; `more` are further arguments.
        """
        scenario_file = SCENARIOS / f"{scenario}.xml" if isinstance(scenario, str) else scenario
        super().__init__(folder, f"sipp-{scenario_file.stem}-{secrets.token_hex(3)}")
        if "play_pcap" in scenario_file.read_text():
            needs_root("sipp plays a pcap through a raw socket, which")
        self.host = host
        self.port = free_tcp_port(host) if is_tcp else free_port(host)
        self._is_tcp = is_tcp
        self._is_bound_later = is_tcp and remote is not None
        self._errors = self.log.with_suffix(".errors")
        self._messages = self.log.with_suffix(".messages")
        self._command = [
            found("sipp", "sip-tester"),
            *("-sf", str(scenario_file)),
            *("-i", host, "-p", str(self.port), "-mi", host),
            *("-mp", str(media_port or free_port(host)), "-m", str(calls), "-nostdin"),
            *("-timeout", f"{limit_s:.0f}s", "-timeout_error", "-recv_timeout", "20000"),
            *("-trace_err", "-error_file", str(self._errors)),
            *("-trace_msg", "-message_file", str(self._messages)),
            *("-key", "caller", caller),
            *(word for name, value in keys.items() for word in ("-key", name, value)),
            *(("-t", "t1") if is_tcp else ()),
            *more,
        ]
        if remote is not None:
            self._command += ["-s", service, "-au", username, "-ap", password]
            self._command += ["-auth_uri", f"{service}@{remote[0]}:{remote[1]}"]
            self._command.append(f"{remote[0]}:{remote[1]}")

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    async def __aenter__(self) -> Self:
        await self.spawn(*self._command, cwd=self.folder)
        if not self._is_bound_later:
            await until(lambda: self._is_bound() or not self.is_running)
        return self

    def _is_bound(self) -> bool:
        return is_bound(self.address, is_tcp=self._is_tcp)

    def errors(self) -> str:
        """Give what it complained about."""
        return text(self._errors)

    def messages(self) -> str:
        """Give every SIP message that it sent and got."""
        return text(self._messages)


class Baresip(ChildProcess):
    """A panel by others: registers if asked to, calls with sound (a tone) and H.264, and records."""

    def __init__(
        self,
        namespace: Namespace,
        *,
        folder: Path,
        server: tuple[str, int],
        username: str,
        password: str,
        is_registering: bool = True,
        is_answering: bool = False,
        has_video: bool = True,
        tone_hz: int = 440,
        audio_codec: str = "PCMA",
        media_encryption: str = "",
        transport: str = "udp",
        certificate: Path | None = None,
    ) -> None:
        """Show `certificate` (with its key in one file) by TLS, and believe anybody: 1.0 checks none. Encrypt as "srtp" (RTP/AVP with keys) or "srtp-mand" (RTP/SAVP). Listen at `sip_port` of the namespace's guest address; `is_answering`: pick up by itself."""
        super().__init__(folder, f"baresip-{username}-{secrets.token_hex(3)}")
        self._namespace = namespace
        self._home = self.log.with_suffix("")
        self._tone_hz = tone_hz
        self._has_video = has_video
        self._is_encrypting = bool(media_encryption)
        self._certificate = certificate
        self.sip_port = 20_000 + 4 * secrets.randbelow(2_500)
        self._control_port = self.sip_port + 2  # the next is its TLS
        video = "video_codecs=H264" if has_video else "video_codecs="
        self._account = (
            f"<sip:{username}@{server[0]}:{server[1]};transport={transport}>;auth_pass={password}"
            f";regint={60 if is_registering else 0};audio_codecs={audio_codec};{video}"
            f";answermode={'auto' if is_answering else 'manual'}"
            f"{';mediaenc=' + media_encryption if media_encryption else ''}\n"
        )
        self._control: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.events: list[Mapping[str, object]] = []
        """Everything that it has told so far, as `event` read it."""

    async def __aenter__(self) -> Self:
        program = found("baresip", "baresip")
        self._write_config()
        await self.spawn(
            *self._namespace.wrap(program, "-4", "-s", "-v", "-f", str(self._home)), cwd=self._home
        )
        try:
            self._control = await self._connect()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._control is not None:
            self._control[1].close()
        await self.stop()

    async def registered(self) -> None:
        """Wait until its registrar has said 200; it registers before anybody can listen to events."""
        async with asyncio.timeout(EVENT_S):
            while True:
                await self.command("reginfo")
                answer = await self._message("response", True)
                if "OK " in str(answer.get("data")):
                    return
                await asyncio.sleep(POLL_S)

    async def dial(self, uri: str) -> None:
        await self.command("dial", uri)

    async def hang_up(self) -> None:
        await self.command("hangup")

    async def command(self, name: str, parameters: str = "") -> None:
        """Give it a command of its menu."""
        assert self._control is not None
        text = json.dumps({"command": name, "params": parameters})
        self._control[1].write(f"{len(text)}:{text},".encode())
        await self._control[1].drain()

    async def event(self, kind: str, limit_s: float = EVENT_S) -> Mapping[str, object]:
        """Wait for an event: REGISTER_OK, CALL_PROGRESS, CALL_ESTABLISHED, CALL_CLOSED and so on."""
        async with asyncio.timeout(limit_s):
            return await self._message("type", kind)

    def heard(self) -> bytes:
        """Give what it heard in its last call: 16-bit mono at 8 kHz."""
        recordings = sorted(self._home.glob("dump-*-dec.wav"))
        if not recordings:
            return b""
        data = recordings[-1].read_bytes()  # not by wave: the header is completed only at the end
        return recorded(data)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(START_S):
            while True:
                with contextlib.suppress(OSError):
                    return await asyncio.open_connection(self._namespace.guest, self._control_port)
                assert self.is_running, f"baresip ended: {text(self.log)[-500:]}"
                await asyncio.sleep(POLL_S)

    async def _message(self, name: str, value: object) -> Mapping[str, object]:
        """Read up to the message in which a name has a value."""
        while True:
            message = await self._read()
            self.events.append(message)
            if message.get(name) == value:
                return message

    async def _read(self) -> Mapping[str, object]:
        """Read a netstring of JSON."""
        assert self._control is not None
        reader = self._control[0]
        length = int((await reader.readuntil(b":"))[:-1])
        assert length <= MAX_EVENT_BYTES
        message = json.loads((await reader.readexactly(length + 1))[:-1])
        assert isinstance(message, dict)
        return message

    def _write_config(self) -> None:
        self._home.mkdir()
        write_tone(self._home / "talk.wav", self._tone_hz)
        modules = [
            "stdio",
            "ctrl_tcp",
            "g711",
            "g722",
            "opus",
            "aufile",
            "aubridge",
            "sndfile",
            "uuid",
            "account",
        ]
        modules += ["menu", *(["avcodec", "fakevideo"] if self._has_video else [])]
        modules += ["srtp"] if self._is_encrypting else []
        lines = [
            "poll_method epoll",
            f"sip_listen {self._namespace.guest}:{self.sip_port}",
            f"ctrl_tcp_listen {self._namespace.guest}:{self._control_port}",
            f"audio_source aufile,{self._home / 'talk.wav'}",
            "ausrc_srate 8000",  # of the file, whatever the codec's is
            "ausrc_channels 1",
            "audio_player aubridge,ear",
            "audio_alert aubridge,bell",
            "snd_path .",  # its own folder: it cuts a longer path after 127 characters
            f"module_path {BARESIP_MODULES}",
            *(f"module {name}.so" for name in modules if name not in {"account", "menu"}),
            "module_app account.so",
            "module_app menu.so",
            "rtp_stats yes",
        ]
        if self._certificate is not None:
            lines.append(f"sip_certificate {self._certificate}")
        if self._has_video:
            lines += [
                "video_source fakevideo,nil",
                "video_display fakevideo,nil",
                "video_size 640x480",
                "video_bitrate 500000",
                "video_fps 15",
                "avcodec_h264enc libx264",
            ]
        (self._home / "config").write_text("\n".join(lines) + "\n")
        (self._home / "accounts").write_text(self._account)
        (self._home / "contacts").touch()


def recorded(wav: bytes) -> bytes:
    """Give a 16-bit WAV file's sound as mono at 8 kHz; its header may lack the length."""
    channels, rate_hz = struct.unpack_from("<HI", wav, wav.index(b"fmt ") + 10)
    pcm = wav[wav.index(b"data") + 8 :]
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
    return samples[:: channels * rate_hz // 8000].tobytes()


def write_tone(path: Path, tone_hz: int, seconds: int = 120, amplitude: int = 8000) -> None:
    """Write a WAV file of a steady tone, 16-bit mono at 8 kHz."""
    step = 2 * math.pi * tone_hz / 8000
    second = struct.pack("<8000h", *(round(amplitude * math.sin(step * n)) for n in range(8000)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(second * seconds)
