"""linphone-cli as a resident's own SIP phone in a namespace: it registers, rings, answers and opens."""

import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import override

from tests.interop.machine import ChildProcess, Namespace, found, free_port, text, until
from tests.interop.strangers import recorded, write_tone

RINGS = "LinphoneCallIncomingReceived"
REGISTERED = "LinphoneRegistrationOk"


class Linphone(ChildProcess):
    """Says a tone, records what it hears; commands go to its prompt."""

    def __init__(
        self,
        namespace: Namespace,
        *,
        folder: Path,
        server: tuple[str, int],
        username: str,
        password: str,
        tone_hz: int = 1000,
        transport: str = "udp",
    ) -> None:
        super().__init__(folder, f"linphone-{username}-{secrets.token_hex(3)}")
        self._namespace = namespace
        self._home = self.log.with_suffix("")
        self._tone_hz = tone_hz
        self._server = server
        self._username, self._password = username, password
        self._transport = transport

    async def __aenter__(self) -> Self:
        program = found("linphonec", "linphone-cli")
        self._write_files()
        home = ("env", f"HOME={self._home}")
        watch = ("-d", "6", "-l", str(self._home / "states.log"))
        command = (*home, program, *watch, "-c", str(self._home / "linphonerc"))
        await self.spawn(*self._namespace.wrap(*command), cwd=self._home)
        await until(lambda: "linphonec>" in text(self.log))
        self.command("soundcard use files")
        self.command("play talk.wav")  # as it is called in its own folder: it cuts long paths
        self.command("record heard.wav")
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self.is_running:
            self.command("quit")
        await self.stop()

    def says(self) -> str:
        """Give all that it has noted so far."""
        return text(self._home / "states.log")

    async def register(self) -> None:
        """Log in and wait for 200."""
        host, port = self._server
        identity = f"sip:{self._username}@{host}"
        way = f"sip:{host}:{port};transport={self._transport}"
        self.command(f"register {identity} <{way}> {self._password}")
        await until(lambda: REGISTERED in self.says())

    async def rings(self) -> None:
        """Wait until it is called."""
        await until(lambda: RINGS in self.says())

    def command(self, words: str) -> None:
        """Give it a command of its prompt; a digit alone is a key."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{words}\n".encode())

    def heard(self) -> bytes:
        """Give what it heard in a call that is over: 16-bit mono at 8 kHz."""
        return recorded((self._home / "heard.wav").read_bytes())

    def _write_files(self) -> None:
        for folder in (".local/share/linphone", ".config/linphone"):
            (self._home / folder).mkdir(parents=True)
        write_tone(self._home / "talk.wav", self._tone_hz)
        port = free_port("127.0.0.1")
        ports = {"udp": -1, "tcp": -1, "tls": -1, self._transport: port}
        lines = ["[sip]", "use_info=0", "use_rfc2833=1", "media_encryption=none"]
        lines += [
            f"sip_{'' if kind == 'udp' else kind + '_'}port={at}" for kind, at in ports.items()
        ]
        (self._home / "linphonerc").write_text("\n".join(lines) + "\n")
