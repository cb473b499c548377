# SPDX-License-Identifier: Apache-2.0
"""Node attributes: unset and unreachable are different answers, and nothing is written that cannot be read back."""

from hypothesis import given, strategies as st
import pytest

from quorate.host.clock import Deadline
from quorate.host.command import Result
from quorate.pacemaker import promotion
from quorate.pacemaker.attributes import Attributes, checked_value, parse_values, plain
from quorate.pacemaker.tools import Unavailable
from tests.fakes import FakeClock, FakeCommands

QUERY = ("attrd_updater", "-Q", "-A", "-n", "seqno")
THREE = 'name="seqno" host="n1" value="17"\nname="seqno" host="n2" value="9"\nname="seqno" host="n3" value=""\n'


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def commands(clock):
    fake = FakeCommands(clock)
    yield fake
    fake.done()


@pytest.fixture
def attributes(commands, clock):
    return Attributes(commands, Deadline(clock, 18))


def test_values_of_all_nodes_in_one_question(commands, attributes):
    commands.expect(*QUERY, out=THREE)
    assert attributes.all("seqno") == {"n1": "17", "n2": "9"}


def test_a_question_about_all_nodes_is_asked_as_if_by_nobody(commands, attributes):
    """attrd_updater would take the node of the running action for the one it is asked about."""
    commands.expect(*QUERY, out=THREE)
    attributes.all("seqno")
    cleared = commands.environments[-1]
    assert {"OCF_RESKEY_CRM_meta_on_node", "OCF_RESKEY_CRM_meta_physical_host"} <= set(cleared)
    assert set(cleared.values()) == {None}


def test_in_a_bundle_ours_are_those_of_the_host_where_the_operator_said_so(commands, clock):
    """attrd_updater 2.1.5 takes the guest, whose attributes are gone with the container: found in a bundle on the
    lab."""
    ours = Attributes(commands, Deadline(clock, 18), "n1")
    commands.expect("attrd_updater", "-n", "seqno", "-U", "17", "-N", "n1")
    ours.set("seqno", 17)
    commands.expect("attrd_updater", "-D", "-n", "seqno", "-N", "n1")
    ours.delete("seqno")
    commands.expect("attrd_updater", "-D", "-n", "seqno", "-N", "n2")
    ours.delete("seqno", "n2")


def test_an_attribute_that_nobody_set_is_nothing(commands, attributes):
    commands.expect(*QUERY, rc=78, err="attrd_updater: Could not query: does not exist")
    assert attributes.all("seqno") == {}
    commands.expect(*QUERY, rc=78, out=THREE)  # what a tool that failed has printed is no answer
    assert attributes.all("seqno") == {}
    commands.expect(*QUERY, out=THREE)
    assert attributes.all("seqno") == {"n1": "17", "n2": "9"}


@pytest.mark.parametrize("rc", [1, 2, 64, 69, 70, 75, 76, 102, 103, 104, 107, 124, 127, -9])
def test_not_being_able_to_ask_is_never_nothing(rc, commands, attributes):
    commands.expect(*QUERY, rc=rc, err="Could not connect")
    with pytest.raises(Unavailable) as caught:
        attributes.all("seqno")
    assert caught.value.reason


def test_no_cluster_says_what_to_type(commands, attributes):
    commands.expect(*QUERY, rc=102)
    with pytest.raises(Unavailable, match="pcs cluster start"):
        attributes.all("seqno")


def test_a_tool_that_hangs_is_not_waited_for(commands, attributes, clock):
    commands.expect(*QUERY, takes=500)
    with pytest.raises(Unavailable, match="in time"):
        attributes.all("seqno")
    assert clock.elapsed <= 18


def test_without_time_nothing_is_asked(commands, attributes, clock):
    clock.sleep(20)
    with pytest.raises(Unavailable, match="No time"):
        attributes.all("seqno")
    assert commands.calls == []


@pytest.mark.parametrize("line", [
    "", "garbage", 'name="seqno" host="n1"', 'name="seqno" host="n1" value="17', 'name="other" host="n1" value="1"',
    'name="seqno" host="" value="1"', 'xname="seqno" host="n1" value="1"', "(null)"])
def test_other_lines_are_no_values(line):
    assert parse_values(line, "seqno") == {}
    assert parse_values(line + "\n" + THREE, "seqno") == {"n1": "17", "n2": "9"}


@given(st.dictionaries(st.text("abcn-.123", min_size=1), st.text(min_size=1), max_size=5))
def test_what_can_be_written_can_be_read(values):
    text, kept = "", {}
    for node, raw in values.items():
        value = plain(raw)
        if not value:
            continue
        kept[node] = checked_value(value)
        text += 'name="x" host="%s" value="%s"\n' % (node, value)
    assert parse_values(text, "x") == kept


@pytest.mark.parametrize("value", ["", " a", "a ", 'say "hi"', "a\\b", "a\nb", "a\tb", "ä", "x" * 5000, "a\0b"])
def test_a_value_that_the_tools_would_garble_is_refused(value, attributes):
    with pytest.raises(ValueError, match="an attribute value (has 1 to 4096 characters|cannot hold)"):
        attributes.set("seqno", value)


def test_the_longest_value(commands, attributes):
    commands.expect("attrd_updater", "-n", "seqno", "-U", "x" * 4096)
    attributes.set("seqno", "x" * 4096)
    assert plain("x" * 5000) == "x" * 4096


@pytest.mark.parametrize("name", ["", "-x", "a b", "a#b", "a;b", "a=b"])
def test_a_name_that_is_an_option_or_worse_is_refused(name, attributes):
    with pytest.raises(ValueError, match="not a name for an attribute"):
        attributes.all(name)


def test_plain():
    assert plain(' waits for "n3"\n\tsince ä\\ ') == "waits for 'n3' since ?/"
    assert plain("~ \x7f!") == "~ ?!"


def test_setting(commands, attributes):
    commands.expect("attrd_updater", "-n", "seqno", "-U", "17")
    attributes.set("seqno", 17)
    commands.expect("attrd_updater", "-n", "seqno", "-U", "-1", "-N", "n2", "-p")
    attributes.set("seqno", "-1", node="n2", private=True)
    commands.expect("attrd_updater", "-n", "seqno", "-U", "1", "-W", "cluster")
    attributes.set("seqno", "1", wait="cluster")


def test_setting_fails_aloud(commands, attributes):
    commands.expect("attrd_updater", "-n", "seqno", "-U", "17", rc=68)
    with pytest.raises(Unavailable):
        attributes.set("seqno", 17)


def test_waiting_where_the_tool_cannot_wait_reads_back(commands, attributes):
    plain_set = ("attrd_updater", "-n", "seqno", "-U", "17", "-N", "n1")
    commands.expect(*plain_set, "-W", "cluster", rc=64, err="Unknown option -W")
    commands.expect(*plain_set)
    commands.expect(*QUERY, rc=78)
    commands.expect(*QUERY, out=THREE)
    attributes.set("seqno", "17", node="n1", wait="cluster")
    commands.expect(*plain_set)                # it is not tried again
    commands.expect(*QUERY, out=THREE)
    attributes.set("seqno", "17", node="n1", wait="cluster")


@pytest.mark.parametrize("node, own, target, shown", [
    ("n1", None, "n1", True), ("n2", None, "n2", False), (None, "n1", "n1", True), (None, "n2", "n2", False),
    ("n1", "n2", "n1", True), ("n2", "n1", "n2", False), (None, None, None, True)])
def test_what_is_read_back_is_the_value_of_the_node_that_it_was_set_for(commands, clock, node, own, target, shown):
    """Another may have the same value. Without a name it may be any: pacemaker-attrd knows which node this is."""
    attributes = Attributes(commands, Deadline(clock, 18), own)
    plain_set = ("attrd_updater", "-n", "seqno", "-U", "17") + (("-N", target) if target else ())
    commands.expect(*plain_set, "-W", "cluster", rc=64)
    commands.expect(*plain_set)
    commands.allow(*QUERY, out=THREE)
    if shown:
        attributes.set("seqno", "17", node=node, wait="cluster")
    else:
        with pytest.raises(Unavailable, match="does not show"):
            attributes.set("seqno", "17", node=node, wait="cluster")


def test_a_value_is_seen_as_soon_as_it_is_there(commands, attributes, clock):
    """A start waits for it."""
    answers = [""] * 3 + [THREE] * 9
    commands.allow("attrd_updater", "-n", ..., then=lambda argv, _: Result(argv, 64 * ("-W" in argv), "", "", False))
    commands.allow(*QUERY, then=lambda *_: answers.pop(0))
    attributes.set("seqno", "17", wait="local")
    assert 0 < clock.elapsed < 1
    states = [105] * 3 + [0]
    commands.allow(*SCORE, then=lambda argv, _: Result(argv, states.pop(0), "", "", False))
    assert attributes.await_written("master-db", "n2")
    assert clock.elapsed < 2


def test_waiting_for_a_value_that_never_comes_ends(commands, attributes, clock):
    commands.expect("attrd_updater", "-n", "seqno", "-U", "4", "-W", "local", rc=64)
    commands.expect("attrd_updater", "-n", "seqno", "-U", "4")
    commands.allow(*QUERY, out=THREE)
    with pytest.raises(Unavailable, match="does not show"):
        attributes.set("seqno", "4", wait="local")
    assert clock.elapsed <= 18


def test_deleting_what_is_not_there_is_done(commands, attributes):
    commands.expect("attrd_updater", "-D", "-n", "seqno", rc=78)
    attributes.delete("seqno")
    commands.expect("attrd_updater", "-D", "-n", "seqno", "-N", "n2")
    attributes.delete("seqno", "n2")


PERMANENT = ("crm_attribute", "-N", "n1", "-l", "forever", "-n", "generation")
PROPERTY = ("crm_attribute", "-t", "crm_config", "-s", "quorate", "-n", "generation")


@pytest.mark.parametrize("rc", [105, 6])
def test_permanent_attributes_and_properties_that_are_not_set(rc, commands, attributes):
    commands.expect(*PERMANENT, "-G", "-q", rc=rc, out="4\n")  # what a tool that failed has printed is no answer
    assert attributes.permanent("generation", "n1") is None
    commands.expect(*PROPERTY, "-G", "-q", rc=rc)
    assert attributes.cluster_property("generation") is None


def test_permanent_attributes_and_properties(commands, attributes):
    commands.expect(*PERMANENT, "-G", "-q", out="4\n")
    assert attributes.permanent("generation", "n1") == "4"
    commands.expect(*PERMANENT, "-G", "-q", out="4 \n")  # as the operator wrote it
    assert attributes.permanent("generation", "n1") == "4 "
    commands.expect(*PERMANENT, "-v", "5")
    attributes.set_permanent("generation", 5, "n1")
    commands.expect(*PERMANENT, "-D")
    attributes.set_permanent("generation", None, "n1")
    commands.expect(*PROPERTY, "-G", "-q", out="7\n")
    assert attributes.cluster_property("generation") == "7"
    commands.expect(*PROPERTY, "-v", "8")
    attributes.set_cluster_property("generation", "8")
    commands.expect(*PROPERTY, "-D", rc=105)
    attributes.set_cluster_property("generation", None)


def test_a_node_that_does_not_exist_is_not_an_unset_attribute(commands, attributes):
    commands.expect(*PERMANENT, "-G", "-q", rc=105, err="crm_attribute: Could not map name=n1 to a UUID\n")
    with pytest.raises(Unavailable, match="no node of that name"):
        attributes.permanent("generation", "n1")


def test_no_cluster_is_not_an_unset_property(commands, attributes):
    commands.expect(*PROPERTY, "-G", "-q", rc=102)
    with pytest.raises(Unavailable):
        attributes.cluster_property("generation")


def test_promotion_scores(commands, attributes):
    out = "".join('name="master-db" host="%s" value="%s"\n' % pair for pair in (
        ("n1", "100"), ("n2", "-INFINITY"), ("n3", "many"), ("n4", "INFINITY")))
    commands.expect("attrd_updater", "-Q", "-A", "-n", "master-db", out=out)
    assert promotion.scores(attributes, "db") == {"n1": 100, "n2": -1000000, "n4": 1000000}
    commands.expect("attrd_updater", "-n", "master-db", "-U", "100")
    promotion.offer(attributes, "db", 100)
    commands.expect("attrd_updater", "-n", "master-db", "-U", "5", "-N", "n2")
    promotion.offer(attributes, "db", 5, "n2")
    commands.expect("attrd_updater", "-D", "-n", "master-db")
    promotion.withdraw(attributes, "db")
    commands.expect("attrd_updater", "-D", "-n", "master-db", "-N", "n2")
    promotion.withdraw(attributes, "db", "n2")


SCORE = ("cibadmin", "-Q", "-A", "//node_state[@uname='n2']/transient_attributes//nvpair[@name='master-db']")


def test_what_is_written_again_is_awaited_in_the_configuration(commands, attributes):
    """The DC erased it there when the node's controller died; pacemaker-attrd still has it."""
    commands.expect("attrd_updater", "-R").expect(*SCORE, rc=105).expect(*SCORE)
    attributes.rewrite()
    assert attributes.await_written("master-db", "n2")


def test_what_never_gets_there_is_not_waited_for_for_ever(commands, attributes, clock):
    commands.allow(*SCORE, rc=105)
    assert not attributes.await_written("master-db", "n2")
    assert clock.elapsed < 18
