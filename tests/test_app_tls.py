"""The running service over TCP and TLS: what its ready line says, and certificates read again."""

import pytest
from structlog.testing import capture_logs

from intercom.errors import ConfigError
from tests.adapters.sip_rig import HOST, stranger, until
from tests.adapters.stream_rig import Authority, client_of, free_tcp_port, request
from tests.adapters.test_sip_tls import subject_of
from tests.test_app import PASSWORD, service_with

NAME = "sip.intercom.example"


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("INTERCOM_SECRET_PANEL", PASSWORD)


async def test_certificates_are_read_again_with_the_building(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("before", NAME)
    port = free_tcp_port()
    tls = {"sip_tls_certificate": certificate, "sip_tls_key": key, "sip_tls_port": port}
    how = {"port": port, "context": authority.client_context(), "name": NAME}
    async with stranger() as carrier, service_with(carrier.address, tmp_path, **tls) as service:
        authority.issue("after", NAME)
        await service.reload()
        async with client_of(**how) as panel:
            assert subject_of(panel) == "after"
            panel.send(request(transport="TLS"))
            assert "200" in await panel.message()

        certificate.write_text("nonsense")
        with pytest.raises(ConfigError, match="INTERCOM_SIP_TLS_CERTIFICATE"):
            await service.reload()
        with capture_logs() as logs:
            service.reload_by_signal()
            await until(lambda: [each for each in logs if each["event"] == "building.loaded"])
        assert "sip.certificate_refused" in [each["event"] for each in logs]
        async with client_of(**how) as panel:
            assert subject_of(panel) == "after"

        plain = f"udp+tcp {HOST}:{service.settings.sip_port}"
        assert f"ready: SIP {plain}, tls {HOST}:{port}, " in service.ready_line


async def test_sip_is_received_by_ipv6_too(tmp_path):
    async with (
        stranger() as carrier,
        service_with(
            carrier.address, tmp_path, sip_host=f"{HOST},::1", sip_port=free_tcp_port()
        ) as service,
        client_of(service.settings.sip_port, host="::1") as panel,
    ):
        panel.send(request())

        assert "200" in await panel.message()
        assert f"udp+tcp [::1]:{service.settings.sip_port}" in service.ready_line
