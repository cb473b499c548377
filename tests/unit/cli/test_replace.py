# SPDX-License-Identifier: Apache-2.0
"""quorate rabbitmq replace NODE: the operator's word that a node's data are gone for good."""

import pytest

from quorate.cli import rabbitmq
from quorate.errors import Refused
from quorate.rabbitmq import facts
from tests.unit.rabbitmq.actions.nodes import Node, names, other


def node(tmp_path, monkeypatch, **more):
    """n1, from which the command is given, n2 that serves, and n3 without its data."""
    lost = dict(dict(data=False, members=None, running=None, store=None, lost=True), **more)
    found = Node(tmp_path, [other("n2", facts.RUNNING), other("n3", lost.pop("state", facts.DOWN), **lost)]).fill()
    found.participant.report(facts.RUNNING)
    monkeypatch.setattr(rabbitmq, "one", lambda resource: found.participant)
    return found


def test_the_order_is_set(tmp_path, monkeypatch, capsys):
    found = node(tmp_path, monkeypatch)
    assert rabbitmq.main(["replace", "n3"]) == 0
    assert (found.published.ordered.node, found.published.ordered.replace) == ("n3", True)
    assert "forgets rabbit@n3" in capsys.readouterr().out


@pytest.mark.parametrize("more, why", [
    (dict(data=True, members=names("n1", "n2", "n3"), lost=False), "has data"),
    (dict(state=facts.WAITING), "is waiting"),
    (dict(other="/x/rabbit@was"), "/x/rabbit@was"), (dict(data=None), "unknown")])
def test_it_is_refused_where_there_are_data(tmp_path, monkeypatch, more, why):
    found = node(tmp_path, monkeypatch, **more)
    with pytest.raises(Refused) as refused:
        rabbitmq.main(["replace", "n3"])
    assert why in str(refused.value) and found.published.ordered is None


def test_it_needs_a_node(tmp_path, monkeypatch):
    node(tmp_path, monkeypatch)
    with pytest.raises(Refused):
        rabbitmq.main(["replace", "n9"])
    assert rabbitmq.main(["replace"]) is None and rabbitmq.main(["replace", "n3", "--force", "n3"]) is None
