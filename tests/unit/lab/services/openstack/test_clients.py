# SPDX-License-Identifier: Apache-2.0
"""What the campaign concludes from what it recorded."""

from lab.services.openstack.client import Call, impact, parse
from lab.services.openstack.watch import service_of

NAMES = ("cinder-volume", "heat-engine")


def test_the_first_answer_after_the_last_failure_counts():
    calls = [Call(100.0, 0.1, True), Call(101.0, 2.0, False), Call(103.0, 0.5, True), Call(104.0, 1.0, False),
             Call(105.0, 0.5, True), Call(106.0, 0.1, True)]

    seen = impact(calls, 100.0)

    assert (6, 2, True) == (seen.calls, seen.failed, seen.whole)
    assert 5.5 == seen.last


def test_silence_is_from_answer_to_answer():
    """Also when no call failed: a call that took long counts."""
    seen = impact([Call(100.0, 0.1, True), Call(100.2, 7.0, True), Call(107.3, 0.1, True)], 100.0)

    assert 0 == seen.failed
    assert None is seen.last
    assert round(seen.silence, 3) == 7.1


def test_who_was_never_answered_again_is_not_whole():
    seen = impact([Call(100.0, 0.1, True), Call(101.0, 2.0, False)], 100.0)

    assert None is seen.last
    assert not seen.whole


def test_nothing_recorded_is_not_well():
    assert not impact([], 0.0).whole


def test_a_call_that_was_read_and_refused_is_an_answer():
    """The reply NoSuchMethod or UnsupportedVersion comes from a live service."""
    text = "1.00 0.100 ok\n2.00 0.100 UnsupportedVersion\n3.00 2.000 MessagingTimeout\n4.00 0.1"

    assert [True, True, False] == [call.answered for call in parse(text)]


def test_an_agent_or_an_init_script_is_not_the_service():
    assert "cinder-volume" == service_of(["/usr/bin/python3", "/usr/bin/cinder-volume", "--config-file=x"], NAMES)
    assert "heat-engine" == service_of(["/usr/bin/heat-engine"], NAMES)
    assert None is service_of(["/usr/bin/python3", "-I", "/usr/lib/ocf/resource.d/quorate/cinder-volume", "monitor"],
                              NAMES)
    assert None is service_of(["/bin/sh", "/etc/init.d/cinder-volume", "systemd-start"], NAMES)
    assert None is service_of([], NAMES)
