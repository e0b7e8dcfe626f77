"""What differs between two loadings of a building."""

from dataclasses import replace

from intercom.building import diff
from intercom.routing.directory import Directory, Doorbell, Resident, Trunk
from intercom.routing.ids import DoorbellId, PropertyId, ResidentId, TrunkId

KARI = Resident(ResidentId("kari"), "Kari", password_hash="old hash")
OLA = Resident(ResidentId("ola"), "Ola", password_hash="")
BELL = Doorbell(DoorbellId("hansen"), PropertyId("p"), "Hansen", (ResidentId("kari"),))
A, B = Trunk(TrunkId("a"), "192.0.2.1"), Trunk(TrunkId("b"), "192.0.2.2")


def test_equal_buildings_do_not_differ():
    change = diff(Directory(residents={"kari": KARI}), Directory(residents={"kari": KARI}))

    assert not change
    assert change.summary() == "nothing differs"


def test_added_changed_and_removed_things_are_told_by_kind():
    old = Directory(residents={"kari": KARI, "ola": OLA}, doorbells={"hansen": BELL})
    new = Directory(
        residents={"kari": KARI}, doorbells={"hansen": replace(BELL, name="H")}, trunks=(A,)
    )

    change = diff(old, new)

    assert change.removed == {"resident": ("ola",)}
    assert change.added == {"trunk": ("a",)}
    assert change.changed == {"doorbell": {"hansen": ("name",)}}
    assert change.summary() == (
        'removed resident "ola"\nadded trunk "a"\nchanged doorbell "hansen": name'
    )
    assert change.counts() == {"added": 1, "changed": 1, "removed": 1}


def test_a_changed_password_is_told_by_its_field_alone():
    new = replace(KARI, password_hash="new hash")

    change = diff(Directory(residents={"kari": KARI}), Directory(residents={"kari": new}))

    assert change.summary() == 'changed resident "kari": password_hash'


def test_another_order_of_trunks_is_a_change():
    change = diff(Directory(trunks=(A, B)), Directory(trunks=(B, A)))

    assert change
    assert change.summary() == "changed the order of the trunks"


def test_a_trunk_put_first_does_not_change_the_others_order():
    change = diff(Directory(trunks=(A,)), Directory(trunks=(B, A)))

    assert change.summary() == 'added trunk "b"'
