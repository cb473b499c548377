# SPDX-License-Identifier: Apache-2.0
"""A node of the released version and one of this version form one cluster, and an upgrade finds the state files of
before.

tests/golden/released/VERSION.json was written by that version's own code: encoded reports and overrides beside their
fields, the fields of every namedtuple (they are JSON keys), the state files with the keys that are written into them. A
change of any of them needs a note in CHANGELOG.md and a reader for both forms.
"""

import ast
import json
import os

import pytest

from quorate.galera import facts as galera_facts
from quorate.galera.election import published as galera_published
from quorate.openstack import facts as openstack_facts
from quorate.openstack.actions import published as openstack_published
from quorate.openstack.symptoms import timers
from quorate.rabbitmq import facts as rabbitmq_facts
from quorate.rabbitmq.broker import layout
from quorate.rabbitmq.check import RabbitmqCheck
from quorate.rabbitmq.election import published as rabbitmq_published
from quorate.web.check import NOTHING_YET
from tests import ROOT

with open(os.path.join(ROOT, "tests", "golden", "released", "0.1.0.json"), encoding="utf-8") as file:
    RELEASED = json.load(file)

PUBLISHED = {"galera": galera_published, "rabbitmq": rabbitmq_published}
# State files that came later, and keys: name -> keys, of services. The released version neither writes nor reads them.
ADDED = {
    # Both were there: of a parent that somebody else launched they are written where this test sees them.
    "openstack": {"heartbeats": [], "service": ["pid", "start"]},
    "rabbitmq": {"apart": [], "divided": [],
                 "beside": [], "crashed": ["count", "killed", "why"], "forced": ["process"], "forcing": ["generation"], "grow": ["queues"],
                 "growing": ["next", "since"],
                 "served": [], "serving": ["since"], "silent": ["process"]},
    "host": {"log-offset": ["before", "inode"]},
    "galera": {"changes": ["seqnos", "uuid"], "disk": ["before", "id"], "failed": ["at"], "position": ["problem"], "layout": ["base_port"],
               "recovering": ["drift", "pid", "start"], "recovered": ["seqno", "stamps", "uuid"],
               "launched-from": ["log", "socket"], "log-offset": [], "opening-view": [],
               "opening": ["cluster", "generation", "most", "own", "safe", "seqno", "uuid"]},
}
READS = ("read", "write", "number", "has", "elapsed")
# Frozen names of fields; classes may be renamed, and fields may be added at the end.
FROZEN = {
    "galera Report": galera_facts.Report, "galera Decision": galera_facts.Decision,
    "galera Override": galera_facts.Override,
    "galera ServerStatus": galera_facts.ServerStatus, "galera View": galera_facts.View,
    "rabbitmq Report": rabbitmq_facts.Report, "rabbitmq Decision": rabbitmq_facts.Decision,
    "rabbitmq Override": rabbitmq_facts.Override,
}


def plain(value):
    if isinstance(value, frozenset):
        return sorted(value)
    if hasattr(value, "_asdict"):
        return {name: plain(each) for name, each in value._asdict().items()}
    return value


def cases(kind):
    return [pytest.param(service, one, id="%s %s" % (service, one["text"][:60]))
            for service in PUBLISHED for one in RELEASED["%s %s" % (service, kind)]]


@pytest.mark.parametrize("service, one", cases("report"))
def test_a_report_reads_the_same_in_both_versions(service, one):
    found = PUBLISHED[service].decode_report(one["node"], one["text"])

    assert one["fields"] == {field: value for field, value in plain(found).items() if field in one["fields"]}
    assert one["text"] == PUBLISHED[service].encode_report(found)


@pytest.mark.parametrize("service, one", cases("override"))
def test_an_override_reads_the_same_in_both_versions(service, one):
    found = PUBLISHED[service].decode_override(one["text"])

    assert one["fields"] == {field: value for field, value in plain(found).items() if field in one["fields"]}
    assert one["text"] == PUBLISHED[service].encode_override(found)


def test_what_came_later_is_left_out_where_it_says_nothing_and_skipped_by_the_released_version():
    """It looks for the keys that it knows; a report with others is a report to it."""
    report = rabbitmq_facts.Report("n1", "down", False, lost=True, other="/var/lib/rabbitmq/mnesia/rabbit@was",
                                   former="rabbit@was", stale=True)
    text = rabbitmq_published.encode_report(report)
    assert rabbitmq_published.decode_report("n1", text) == report
    assert "o:|var|lib|rabbitmq|mnesia|rabbit@was,f:rabbit@was,y:1,end" in text and ",d:0," in text and ",x:1," in text
    override = rabbitmq_facts.Override("n1", "root", 5, False, True)
    assert rabbitmq_published.decode_override(rabbitmq_published.encode_override(override)) == override


def test_a_running_broker_is_known_again_after_an_upgrade():
    """Its layout stands in a state file."""
    for one in RELEASED["rabbitmq layout"]:
        found = layout.decode_layout(one["lines"])

        assert one["fields"] == {field: value for field, value in plain(found).items() if field in one["fields"]}
        written = {key: str(value) for key, value in layout.encode_layout(found).items()}
        assert one["lines"] == {key: written[key] for key in one["lines"]}


def test_the_timer_of_a_symptom_runs_on_over_an_upgrade():
    for one in RELEASED["openstack symptoms"]:
        assert one["lines"] and one["lines"] == timers.encode(timers.decode(one["lines"]))


def test_nodes_compare_names_under_the_same_attribute():
    assert RELEASED["openstack names attribute"] == [openstack_published.attribute("volume"),
                                                     openstack_published.attribute("a:b c")]


@pytest.mark.parametrize("name", sorted(FROZEN))
def test_fields_that_others_read_keep_their_names(name):
    was = RELEASED["fields"][name]

    assert was == list(FROZEN[name]._fields)[:len(was)]


def test_the_check_of_a_broker_shows_the_same_keys():
    """Also those of fields that were dropped."""
    assert sorted(RELEASED["fields"]["rabbitmq Broker"]) == sorted(RabbitmqCheck({}).known(NOTHING_YET)["broker"])


@pytest.mark.parametrize("room", sorted(RELEASED["state files"]))
def test_state_files_and_their_keys_keep_their_names(room):
    expected = {name: set(keys) for name, keys in RELEASED["state files"][room].items()}
    for name, keys in ADDED.get(room, {}).items():
        expected[name] = expected.get(name, set()).union(keys)

    assert {name: sorted(keys) for name, keys in sorted(expected.items())} == _state_files(room)


def _state_files(room):
    """Name of each state file that the sources of a package name -> keys that they write into it, sorted."""
    found = {}
    for folder, _folders, files in os.walk(os.path.join(ROOT, "quorate", room)):
        for path in [os.path.join(folder, name) for name in files if name.endswith(".py")]:
            with open(path, encoding="utf-8") as source:
                tree = ast.parse(source.read(), path)
            for node in ast.walk(tree):
                file_name = _state_file(node)
                if file_name:
                    keys = found.setdefault(file_name, set())
                    if len(node.args) > 1 and isinstance(node.args[1], ast.Dict):
                        keys.update(key.value for key in node.args[1].keys if isinstance(key, ast.Constant))
                    if node.func.attr == "elapsed":
                        keys.update(keyword.arg for keyword in node.keywords if keyword.arg)
    return {name: sorted(keys) for name, keys in sorted(found.items())}


def _state_file(node):
    """The name in a call such as state_files.write("started", {...}) or state_files.read(SERVICE_FILE), else None."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READS
            and node.args):
        return None
    owner, argument = node.func.value, node.args[0]
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    if name not in ("state_files", "_state_files"):
        return None
    if isinstance(argument, ast.Name):
        return getattr(openstack_facts, argument.id, None) if argument.id.endswith("_FILE") else None
    value = argument.value if isinstance(argument, ast.Constant) else None
    return value if isinstance(value, str) and not value.endswith(".dat") else None
