"""Nothing that opens a door, a line or a person's data is shown: secrets are planted and looked for."""

import time

import pytest

from intercom.sip.masking import Masking, mask_number
from intercom.sip.outline import outline

NUMBER = "+4790000953"
SECRET = "s3cr3tValue"
SDP = (
    "v=0\r\no=- 4790000953 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/SAVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRET}|2^31|77:1\r\n"
    "m=video 4002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\na=sendonly\r\n"
)


def message(
    *headers: str, start: str = "INVITE sip:anna@192.0.2.1 SIP/2.0", body: str = ""
) -> bytes:
    lines = (
        start,
        "Via: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK1234567890",
        "Call-ID: 1234567890@192.0.2.20",
        "CSeq: 1234567890 INVITE",
        *headers,
    )
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def shown(data: bytes, *, shows_numbers: bool = False) -> str:
    masking = Masking(shows_numbers=shows_numbers)
    return masking.message(data).text() + repr(outline(data, masking))


DIGEST = (
    f'Digest username="main-door", realm="intercom", uri="sip:a@b", nc=00000001, {{}}="{SECRET}"'
)
PLANTED = [
    *(
        f"{name}: {DIGEST.format(parameter)}"
        for name in ("Authorization", "Proxy-Authorization", "AUTHORIZATION ", "WWW-Authenticate")
        for parameter in ("response", "nonce", "cnonce", "opaque", "password", "unheard-of")
    ),
    f"Authorization: Basic {SECRET}",
    f"Authorization: Bearer {SECRET}",
    f"Authorization: {SECRET}",
    f'Authorization: Digest username="a",\r\n response="{SECRET}"',
    f"Authorization: Digest response={SECRET}, username=x",
    f"Authorization: Digest response='{SECRET}'",
    f'Authentication-Info: rspauth="{SECRET}", nextnonce="{SECRET}"',
    f"X-Auth-Token: {SECRET}",
    f"Cookie: sid={SECRET}",
    f"Identity: {SECRET}",
    f"y: {SECRET}",
    f"Contact: <sip:main:{SECRET}@192.0.2.20>",
    f"Contact: <sip:main@192.0.2.20;pn-prid={SECRET};pn-provider=apns>",
    f'Contact: <sip:main@192.0.2.20>;access-token="{SECRET}"',
    f"Refer-To: <sip:a@b?Replaces={SECRET}>",
    f"Call-Info: <http://user:{SECRET}@192.0.2.20/picture.jpg>",
    f"Call-Info: <https://192.0.2.20/picture.jpg?sid={SECRET}>",
    f"Alert-Info: <http://192.0.2.20/ring;token={SECRET}>",
    f"Subject: code={SECRET}",
    f"a line without a name and {SECRET}",
]


@pytest.mark.parametrize("header", PLANTED)
def test_a_secret_in_a_header_is_not_shown(header):
    text = shown(message(header), shows_numbers=True)

    assert SECRET not in text
    assert "INVITE sip:anna@192.0.2.1 SIP/2.0" in text


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/sdp", SDP),
        ("application/sdp", SDP.replace("\r\n", "\n")),
        ("APPLICATION/SDP", SDP.replace("a=crypto:1 ", "A=Crypto:1 ")),
        ("application/sdp", f"v=0\r\nk=clear:{SECRET}\r\n"),
        ("application/sdp", f"v=0\r\na=key-mgmt:mikey {SECRET}\r\na=ice-pwd:{SECRET}\r\n"),
        ("application/sdp", f"v=0\r\na=crypto:{SECRET}\r\n{SECRET}\r\n"),
        ("multipart/mixed;boundary=x", f"--x\r\n\r\n{SDP}--x\r\n\r\nsecret {SECRET}\r\n--x--"),
        ("application/dtmf-relay", f"Signal={SECRET}\r\nDuration=160\r\n"),
        ("application/dtmf-relay", f"Duration={SECRET}\r\nSignal: {SECRET}\r\n"),
        ("application/dtmf", SECRET),
        ("application/vnd.maker", f"<code>{SECRET}</code>"),
        ("", SECRET),
    ],
)
def test_a_secret_in_a_body_is_not_shown(kind, body):
    assert SECRET not in shown(message(f"Content-Type: {kind}", body=body), shows_numbers=True)


def test_a_secret_in_the_request_uri_is_not_shown():
    start = f"INVITE sip:anna:{SECRET}@192.0.2.1;token={SECRET}?Subject={SECRET} SIP/2.0"

    assert SECRET not in shown(message(start=start))


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "key",
        "token=",
        "sip:",
        "sip:a:",
        "a=",
        "a ",
        '"',
        "\\",
        "://",
        "+4",
        "1 ",
        "?",
        ";tag=",
        "tel:1",
        ",",
    ],
)
@pytest.mark.parametrize("name", ["X", "Authorization", "From", "Call-ID"])
def test_a_hostile_message_is_masked_in_linear_time(piece, name):
    data = message(f"{name}: {'Digest ' + piece * (60_000 // len(piece))}")
    masking = Masking()

    began = time.perf_counter()
    masking.message(data)
    outline(data, masking)

    assert time.perf_counter() - began < 0.5  # quadratic: minutes


@pytest.mark.parametrize("data", [f"{SECRET}\r\n\r\n".encode(), SECRET.encode(), b"\xff\x00\x80"])
def test_what_is_no_sip_is_not_shown_at_all(data):
    assert Masking().message(data).text().startswith(f"unreadable, {len(data)} bytes")
    assert outline(data, Masking()) is None


def test_a_key_of_a_door_code_is_told_as_a_key_and_no_more():
    data = message(
        "Content-Type: application/dtmf-relay",
        start="INFO sip:a@192.0.2.1 SIP/2.0",
        body="Signal=7\r\nDuration=160\r\n",
    )

    assert Masking().message(data).body == ("Signal=•••", "Duration=160")
    assert outline(data, Masking()).words == "a key"


def test_the_mki_goes_with_the_key():
    text = shown(message("Content-Type: application/sdp", body=SDP))

    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:•••\r\n" in text
    assert "77:1" not in text


@pytest.mark.parametrize(
    "header",
    [
        f"From: <sip:{NUMBER}@192.0.2.1>;tag=1",
        f'From: "{NUMBER}" <sip:anna@192.0.2.1>',
        "To: <sip:4790000953@192.0.2.1;user=phone>",
        "To: <sip:%2B4790000953@192.0.2.1>",
        "To: <tel:+47-900-00-953>",
        'P-Asserted-Identity: "Kari 90000953" <sip:90000953@192.0.2.1>',
        "Diversion: <sip:90000953@192.0.2.1>;reason=unconditional",
        "Call-ID: +4790000953@192.0.2.1",
        "Subject: call from 900 00 953",
    ],
)
def test_a_telephone_number_is_masked_unless_it_is_asked_for(header):
    data = message(header)
    plain = header.partition(": ")[2]

    assert "90000" not in shown(data).replace("-", "").replace(" ", "")
    assert "953" in shown(data)
    assert plain in Masking(shows_numbers=True).message(data).text()


def test_a_masked_number_still_tells_two_residents_apart():
    assert mask_number(NUMBER) == "+47•••••953"
    assert mask_number("90000953") == "•••••953"


def test_what_an_installer_needs_stays_as_it_is():
    text = shown(
        message(
            'Authorization: Digest username="main-door", realm="intercom", nonce="x", algorithm=MD5, nc=00000001',
            "Contact: <sip:main@192.168.100.200:5060;transport=tcp>",
            "P-Early-Media: supported",
            "Content-Type: application/sdp",
            body=SDP,
        )
    )

    for words in (
        'username="mai•••", realm="intercom"',
        "algorithm=MD5, nc=00000001",
        "<sip:main@192.168.100.200:5060;transport=tcp>",
        "branch=z9hG4bK1234567890",
        "CSeq: 1234567890 INVITE",
        "P-Early-Media: supported",
        "m=audio 4000 RTP/SAVP 8 101",
    ):
        assert words in text


def test_the_sdp_is_summed_up():
    about = outline(message("Content-Type: application/sdp", body=SDP), Masking())

    assert about.media == (
        "audio PCMA 8/dtmf 101 → 192.0.2.1:4000 srtp, video H264 99 → 192.0.2.1:4002 sendonly"
    )


def test_a_refusal_is_explained_by_what_the_peer_gave():
    data = message(
        'Reason: Q.850;cause=21;text="rejected"',
        "Retry-After: 30",
        start="SIP/2.0 603 Declined",
    )
    about = outline(data, Masking())

    assert (about.status, about.reason, about.method) == (603, "Declined", "INVITE")
    assert about.words == 'Q.850;cause=21;text="rejected", retry after 30'
