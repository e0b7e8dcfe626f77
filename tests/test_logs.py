"""What reaches a log line, and what never does."""

import io
import json
import logging

import pytest
import structlog

from intercom import logs


@pytest.fixture(autouse=True)
def _restore_logging():
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    levels = {name: logging.getLogger(name).level for name in logs._QUIET_LIBRARIES}
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def written():
    stream = io.StringIO()
    logs.configure("debug", "json", stream)

    def lines() -> list[dict]:
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    return lines


def test_fault_in_a_residential_call_is_written_without_person_number_button_or_device(written):
    structlog.get_logger().warning(
        "leg.failed", resident="Kari Hansen", number="+4790012345", button="2", device_id="d1"
    )

    (line,) = written()
    assert set(line) == {"event", "level", "timestamp"}


def test_what_happens_in_a_residential_call_is_not_written_at_all(written):
    log = structlog.get_logger().bind(property_kind="residential")
    log.info("call.started", call_id="c1")
    log.info("door.opened", door="Main entrance")

    assert written() == []


def test_an_event_bound_to_no_property_counts_as_residential(written):
    structlog.get_logger().info("relay.pulsed", door="garage")

    assert written() == []


def test_commercial_property_has_its_events_written_whole(written):
    structlog.contextvars.bind_contextvars(property_kind="commercial")
    structlog.get_logger().info("door.opened", door="garage", opened_by="Kari Hansen")

    (line,) = written()
    assert (line["door"], line["opened_by"]) == ("garage", "Kari Hansen")
    assert "property_kind" not in line


def test_the_service_s_own_life_is_written_for_every_property(written):
    structlog.get_logger().info("service.started", version="1", sip_port=5060)

    (line,) = written()
    assert line["sip_port"] == 5060


def test_a_field_nobody_has_declared_harmless_is_left_out(written):
    structlog.get_logger().info("service.started", brand_new_field="Kari Hansen", count=2)

    (line,) = written()
    assert "brand_new_field" not in line
    assert line["count"] == 2


def test_a_harmless_name_does_not_let_a_whole_structure_through(written):
    structlog.get_logger().info("service.started", status={"resident": "Kari Hansen"})

    assert "Kari" not in json.dumps(written())


def test_free_text_in_place_of_an_event_name_is_not_written(written):
    structlog.get_logger().error("Kari Hansen did not answer")

    (line,) = written()
    assert line["event"] == "log.unnamed"


def test_secrets_are_masked_by_name_also_for_a_commercial_property(written):
    structlog.get_logger().info(
        "sip.register_sent",
        property_kind="commercial",
        password="hunter22",
        Authorization="Digest x",
        nested={"session_token": "abc", "harmless": "yes"},
    )

    (line,) = written()
    assert (
        line["password"] == line["Authorization"] == line["nested"]["session_token"] == "********"
    )
    assert line["nested"]["harmless"] == "yes"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('Authorization: Digest username="main", response="deadbeefdeadbeef"', "deadbeef"),
        ("Proxy-Authorization: Basic bWFpbjpodW50ZXIy", "bWFpbjpodW50ZXIy"),
        ("Cookie: session=0123456789abcdef", "0123456789abcdef"),
        ("Set-Cookie: session=0123456789abcdef; Secure", "0123456789abcdef"),
        ("a=ice-pwd:asd88fgpdd777uzjYhagZg", "asd88fgpdd777uzjYhagZg"),
        ("a=fingerprint:sha-256 AA:BB:CC", "AA:BB:CC"),
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0", "c2VjcmV0"),
        ('{"username": "kari", "password": "hunter22"}', "hunter22"),
        ("GET /open?token=abc123&door=1", "abc123"),
        ('nonce="5f1d", cnonce="77aa"', "5f1d"),
        ("Bearer abcdefghijklmnop", "abcdefghijklmnop"),
        ("https://api:hunter22@192.0.2.1/open", "hunter22"),
    ],
)
def test_secrets_inside_a_text_are_masked(written, text, secret):
    structlog.get_logger().info("sip.received", property_kind="commercial", message=text)

    (line,) = written()
    assert secret not in json.dumps(line)
    assert "********" in line["message"]


def test_error_in_a_residential_call_shows_types_and_places_without_words(written):
    def ring():
        raise LookupError("Kari Hansen is not there")

    def route():
        try:
            ring()
        except LookupError as error:
            raise RuntimeError("no route to +4790012345") from error

    try:
        route()
    except RuntimeError:
        structlog.get_logger().exception("call.failed")

    (line,) = written()
    assert line["error_type"] == "RuntimeError < LookupError"
    assert any(place.endswith(" ring") for place in line["raised_at"])
    assert "Kari" not in json.dumps(line)
    assert "+47" not in json.dumps(line)


def test_every_error_of_a_group_is_named_once(written):
    error = ExceptionGroup("two", [ValueError("a"), KeyError("b")])

    structlog.get_logger().error("service.failed", exc_info=error)

    (line,) = written()
    assert line["error_type"] == "ExceptionGroup < ValueError < KeyError"


def test_a_library_s_message_is_kept_as_its_template_alone(written):
    logging.getLogger("somelib").warning("no answer from %s", "+4790012345")

    (line,) = written()
    assert line["library_text"] == "no answer from %s"
    assert line["logger"] == "somelib"
    assert "+47" not in json.dumps(line)


def test_a_library_s_formatted_message_is_cut_before_its_data(written):
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Kari>")
    logging.getLogger("somelib").error("refused: 'Kari Hansen'")

    assert [line["library_text"] for line in written()] == [
        "Task exception was never retrieved",
        "refused",
    ]


def test_libraries_that_log_every_packet_or_request_are_quiet(written):
    logging.getLogger("aiohttp.access").info("GET /")
    logging.getLogger("aioice.ice").info("check pair")

    assert written() == []


def test_console_lines_have_no_colours_away_from_a_terminal():
    stream = io.StringIO()
    logs.configure("info", "console", stream)

    structlog.get_logger().info("service.started", version="1")

    assert "service.started" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_lines_below_the_level_are_not_written():
    stream = io.StringIO()
    logs.configure("error", "json", stream)

    structlog.get_logger().warning("trunk.failed")

    assert stream.getvalue() == ""
