# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with the declaration of an agent. Asked by the tests, of every agent; never at run time."""

from quorate.ocf.declaration import KINDS, Invalid

ROLES = ("Promoted", "Unpromoted", "Started")
LEVELS = (0, 10, 20)
MANDATORY = ("start", "stop", "monitor")


def problems(agent):
    """Sentences about everything that is wrong; an empty list for a declaration that is right."""
    found = []
    if not (agent.name and agent.shortdesc.strip() and agent.longdesc.strip()):
        found.append("the agent needs a name and both descriptions")
    if not agent.parameters:
        found.append("the schema demands at least one parameter")
    for name in _twice(parameter.name for parameter in agent.parameters):
        found.append("parameter %s is declared twice" % name)
    names = {parameter.name for parameter in agent.parameters}
    for parameter in agent.parameters:
        found.extend("parameter %s %s" % (parameter.name, problem) for problem in _of_parameter(parameter, names))
    for action in agent.advertised():
        found.extend("action %s %s" % (action.name, problem) for problem in _of_action(action))
    found.extend(_of_actions(agent))
    return found


def _of_parameter(parameter, names):
    if parameter.kind not in KINDS:
        yield "has the unknown kind %r" % (parameter.kind,)
        return
    if not (parameter.shortdesc.strip() and parameter.longdesc.strip()):
        yield "needs both descriptions"
    if parameter.required and parameter.default is not None:
        yield "is required, so it cannot have a default"
    if parameter.default is not None:
        if not isinstance(parameter.default, str):
            yield "has a default that is not text"
        else:
            try:
                parameter.default_value()
            except Invalid as invalid:
                yield "has an invalid default: %s" % invalid
    if (parameter.kind == "select") != bool(parameter.options):
        yield "has options exactly if it is a select"
    for name in parameter.deprecated or ():
        if name not in names:
            yield "is replaced by %s, which does not exist" % name


def _of_action(action):
    if not action.timeout or action.timeout <= 0:
        yield "needs a timeout"
    if action.name == "monitor" and not action.interval:
        yield "needs an interval"
    if action.role is not None and action.role not in ROLES:
        yield "has the role %s, which is none of OCF 1.1" % action.role
    if action.depth is not None and action.depth not in LEVELS:
        yield "has a depth that is not 0, 10 or 20"


def _of_actions(agent):
    names = {action.name for action in agent.advertised()}
    for name in MANDATORY:
        if name not in names:
            yield "action %s is missing" % name
    if ("promote" in names) != ("demote" in names):
        yield "promote and demote come together"
    for name in sorted(names - {"meta-data", "validate-all"} - set(agent.handlers)):
        yield "action %s is advertised and has no handler" % name
    for name in sorted(set(agent.handlers) - names):
        yield "action %s has a handler and is not advertised" % name
    for interval in _twice(action.interval for action in agent.actions if action.name == "monitor"):
        yield "two monitors have the interval %s; Pacemaker tells them apart by it" % interval
    reloadable = any(parameter.reloadable for parameter in agent.parameters)
    if reloadable != ("reload-agent" in names):
        yield "reload-agent is advertised exactly if a parameter is reloadable"


def _twice(items):
    seen, twice = set(), []
    for item in items:
        if item in seen and item not in twice:
            twice.append(item)
        seen.add(item)
    return twice
