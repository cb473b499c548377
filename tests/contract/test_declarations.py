# SPDX-License-Identifier: Apache-2.0
"""What the contract's tests find wrong with the declaration of an agent."""

import pytest

from quorate.ocf.agent import Agent
from quorate.ocf.declaration import Action, Parameter
from tests.contract.declarations import problems

ACTIONS = (Action("start", 120), Action("stop", 120), Action("monitor", 20, 10))
HANDLERS = {"start": None, "stop": None, "monitor": None}
PARAMETERS = (Parameter("port", "integer", "3306", "Port", "The port."),)


def agent(parameters=PARAMETERS, actions=ACTIONS, handlers=HANDLERS):
    return Agent("sample", "Short", "Long.", parameters, actions, handlers)


def test_a_right_declaration_has_no_problems():
    assert problems(agent()) == []


@pytest.mark.parametrize("more, handlers, problem", [
    ((Action("notify", 20),), {}, "advertised and has no handler"),
    ((), {"reload": None}, "has a handler and is not advertised"),
    ((Action("promote", 20),), {"promote": None}, "promote and demote come together"),
    ((Action("monitor", 20, 10, role="Promoted"),), {}, "interval 10"),
    ((Action("monitor", 20, 11, role="Master"),), {}, "none of OCF 1.1"),
    ((Action("monitor", 20, 12, depth=5),), {}, "not 0, 10 or 20"),
    ((Action("monitor", 20),), {}, "needs an interval"),
    ((Action("notify", 0),), {"notify": None}, "needs a timeout"),
    ((Action("reload-agent", 20),), {"reload-agent": None}, "reload-agent is advertised exactly if"),
])
def test_wrong_actions_are_refused(more, handlers, problem):
    found = problems(agent(actions=ACTIONS + more, handlers=dict(HANDLERS, **handlers)))
    assert [text for text in found if problem in text]


@pytest.mark.parametrize("name", ["start", "stop", "monitor"])
def test_a_mandatory_action_is_missed(name):
    actions = tuple(action for action in ACTIONS if action.name != name)
    handlers = {key: value for key, value in HANDLERS.items() if key != name}
    assert "action %s is missing" % name in problems(agent(actions=actions, handlers=handlers))


@pytest.mark.parametrize("parameter, problem", [
    (Parameter("p", "second", None, "s", "l"), "unknown kind"),
    (Parameter("p", "string", "x", "s", "l", required=True), "cannot have a default"),
    (Parameter("p", "integer", "many", "s", "l"), "invalid default"),
    (Parameter("p", "integer", 5, "s", "l"), "not text"),
    (Parameter("p", "select", None, "s", "l"), "options"),
    (Parameter("p", "string", None, "s", "l", options=("a",)), "options"),
    (Parameter("p", "string", None, "", "l"), "both descriptions"),
    (Parameter("p", "string", None, "s", "l", deprecated=("q",)), "does not exist"),
    (Parameter("p", "string", None, "s", "l", reloadable=True), "reload-agent"),
    (PARAMETERS[0], "declared twice"),
])
def test_wrong_parameters_are_refused(parameter, problem):
    assert [text for text in problems(agent(parameters=PARAMETERS + (parameter,))) if problem in text]


def test_no_parameter_at_all_is_refused_as_the_schema_does():
    assert problems(agent(parameters=())) == ["the schema demands at least one parameter"]
