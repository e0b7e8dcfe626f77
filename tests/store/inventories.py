"""Properties of any kind, as inventories, for what must hold of all of them."""

from datetime import date

from hypothesis import strategies as st

from intercom.routing.directory import PropertyKind, RingWay
from intercom.routing.hours import QuietMode
from intercom.store.inventory_reading import right_key
from intercom.store.kinds import Layout

HASH = "$argon2id$v=19$m=65536,t=3,p=4$Cp1L84zzyM2r4q57mLYwJA$iSyyeATn0u82txlHgiYRgdJ6YQyFMESiFWdhtN8g7Xk"
WORDS = st.text(
    st.characters(
        exclude_categories=("Cs", "Cc"),
        exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ),
    min_size=1,
    max_size=30,
)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)
HOURS = st.tuples(st.integers(1, 127), st.integers(0, 1439), st.integers(0, 1440))
QUIET = st.lists(
    st.tuples(HOURS, st.sampled_from(QuietMode)).map(lambda one: (*one[0], one[1].value)),
    max_size=2,
).map(tuple)
DAYS = st.none() | st.dates(date(2026, 1, 1), date(2026, 11, 22))
DOCUMENTS = st.sampled_from(
    [
        {"relay": {"driver": "panel-link", "panel": "panel", "relay": 1}},
        {
            "relay": {
                "driver": "http",
                "url": "https://192.0.2.9/",
                "authentication": "basic",
                "username": "u",
                "password": 'a"b\\cæ',
            }
        },
        {"relay": {"driver": "2n", "host": "192.0.2.9", "username": "u", "password": "p"}},
    ]
)


@st.composite
def inventories(draw):
    kind = draw(st.sampled_from(PropertyKind))
    people = draw(st.lists(IDS, unique_by=str.lower, max_size=5))
    labels = draw(st.lists(WORDS, unique=True, min_size=1, max_size=4))
    doors = ["door", *draw(st.lists(IDS.map("d-{}".format), unique=True, max_size=2))]
    bells = draw(st.lists(IDS.map("b-{}".format), unique=True, max_size=4))
    doorbells = {key: draw(doorbell(people, labels)) for key in bells}
    units = {label: draw(unit(people)) for label in labels}
    units[labels[0]]["residents"] = tuple(sorted(people))  # everybody lives somewhere
    doors_made = {key: draw(door(labels)) for key in doors}
    for number, fields in enumerate(doors_made.values(), start=1):
        relay = fields["document"]["relay"]
        if relay["driver"] == "panel-link":
            fields["document"] = {"relay": relay | {"relay": number}}
    return {
        "property": {draw(IDS): draw(place(kind))},
        "unit": units,
        "resident": {name: draw(person(number)) for number, name in enumerate(people)},
        "door": doors_made,
        "panel": {
            "panel": {
                "door": "door",
                "document": {"password": "panel-password", "make": "open-intercom"},
                "buttons": draw(buttons(doorbells)),
            }
        },
        "doorbell": doorbells,
        "right": draw(rights(people, labels, doors)),
        "trunk": {},
    }


@st.composite
def place(draw, kind):
    is_logged = kind is PropertyKind.COMMERCIAL
    return {
        "name": draw(WORDS),
        "kind": kind,
        "address": draw(WORDS),
        "language": draw(st.sampled_from(["nb", "nn", "en", "sv"])),
        "time_zone": draw(st.sampled_from(["Europe/Oslo", "Asia/Tokyo"])),
        "open_keys": draw(st.sampled_from(["5", "58", "*#"])),
        "has_keys_in_app": draw(st.booleans()),
        "contact_email": draw(st.none() | st.just("vakt@example.org")),
        "prompts": {},
        "quiet": draw(QUIET),
        "log_days": draw(st.integers(1, 3650)) if is_logged else None,
    }


@st.composite
def unit(draw, people):
    named = st.sets(st.sampled_from(people)) if people else st.just(set())
    return {
        "activated_on": draw(DAYS),
        **{role: tuple(sorted(draw(named))) for role in ("owners", "residents", "stations")},
    }


@st.composite
def person(draw, number):
    has_number = draw(st.booleans())
    return {
        "name": draw(WORDS),
        "email": draw(st.none() | st.just(f"p{number}@example.org")),
        "language": draw(st.sampled_from(["nb", "sv"])),
        "password_hash": draw(st.none() | st.just(HASH)),
        "has_app": draw(st.booleans()),
        "number": f"+479001234{number}" if has_number else None,
        "number_verified_on": draw(DAYS) if has_number else None,
        "ring_way": draw(st.sampled_from(RingWay)),
        "devices": draw(
            st.sampled_from(
                [
                    {},
                    {"sip_phones": ["sip:x@192.0.2.7:5060"]},
                    {"sip_account": [{"username": f"sip-{number}", "password": "12345678"}]},
                ]
            )
        ),
    }


@st.composite
def door(draw, labels):
    return {
        "name": draw(WORDS),
        "unit": draw(st.none() | st.sampled_from(labels)),
        "pulse_ms": draw(st.integers(100, 10_000)),
        "document": draw(DOCUMENTS),
    }


@st.composite
def doorbell(draw, people, labels):
    members = draw(st.lists(st.sampled_from(people), unique=True)) if people else []
    return {
        "unit": draw(st.sampled_from(labels)),
        "name": draw(WORDS),
        "layout": draw(st.sampled_from(Layout)),
        "is_hidden": draw(st.booleans()),
        "step_s": draw(st.floats(20, 30)),
        "app_stage_s": draw(st.floats(0, 120)),
        "phone_stage_s": draw(st.floats(5, 120)),
        "members": tuple((name, draw(st.booleans())) for name in members),
        "quiet": draw(QUIET),
    }


@st.composite
def buttons(draw, doorbells):
    targets = []
    for key, bell in doorbells.items():
        if bell["layout"] in (Layout.INDIVIDUAL, Layout.GROUPED):
            targets += [f"{key}/{name}" for name, _ in bell["members"]]
        else:
            targets.append(key)
    chosen = [target for target in targets if draw(st.booleans())]
    return {str(number): target for number, target in enumerate(chosen, start=101)}


@st.composite
def rights(draw, people, labels, doors):
    found = {}
    for _ in range(draw(st.integers(0, 4))):
        is_own = bool(people) and draw(st.booleans())
        fields = {
            "door": draw(st.sampled_from(doors)),
            "resident": draw(st.sampled_from(people)) if is_own else None,
            "unit": None if is_own else draw(st.sampled_from(labels)),
            "may_open": draw(st.booleans()),
            "has_key": draw(st.booleans()),
            "hours": draw(HOURS),
        }
        found[right_key(fields, found)] = fields
    return found
