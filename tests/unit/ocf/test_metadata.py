# SPDX-License-Identifier: Apache-2.0
"""The meta-data of a declaration, as XML."""

from xml.etree import ElementTree

from quorate.ocf.agent import Agent
from quorate.ocf.declaration import Action, Parameter
from quorate.ocf.metadata import duration, metadata

ACTIONS = (Action("start", 120), Action("stop", 120), Action("monitor", 20, 10))
PARAMETERS = (Parameter("port", "integer", "3306", "Port", "The port."),)


def document(parameters=PARAMETERS, actions=ACTIONS):
    return metadata(Agent("sample", "Short", "Long.", parameters, actions, {}))


def parsed(**parts):
    return ElementTree.fromstring(document(**parts))


def test_metadata_says_ocf_1_1_and_has_no_doctype():
    text = document()
    assert "DOCTYPE" not in text
    assert ElementTree.fromstring(text).findtext("version") == "1.1"


def test_text_is_escaped_where_xml_wants_it():
    awkward = 'a & b < c > "d" \'e\''
    parameter = Parameter("p", "string", awkward, awkward, awkward)
    element = parsed(parameters=(parameter,)).find("parameters/parameter")
    assert element.findtext("longdesc") == awkward
    assert element.findtext("shortdesc") == awkward
    assert element.find("content").get("default") == awkward


def test_a_parameter_shows_all_it_is():
    parameters = PARAMETERS + (
        Parameter("mode", "select", "b", "s", "l", options=("a", "b"), unique_group="g", reloadable=True),
        Parameter("old", "string", None, "s", "l", deprecated=("mode", "port")),
        Parameter("must", "seconds", None, "s", "l", required=True),
    )
    _port, mode, old, must = parsed(parameters=parameters).findall("parameters/parameter")
    assert mode.get("unique-group") == "g" and mode.get("reloadable") == "1" and mode.get("required") is None
    assert [option.get("value") for option in mode.findall("content/option")] == ["a", "b"]
    assert [new.get("name") for new in old.findall("deprecated/replaced-with")] == ["mode", "port"]
    assert must.get("required") == "1" and must.find("content").get("default") is None
    assert must.find("content").get("type") == "string"


def test_actions_are_there_with_units_and_those_that_every_agent_has():
    actions = ACTIONS + (Action("monitor", 30, 20, depth=10, role="Promoted"),)
    found = parsed(actions=actions).findall("actions/action")
    assert [action.get("name") for action in found] == [
        "start", "stop", "monitor", "monitor", "validate-all", "meta-data"]
    assert dict(found[3].attrib) == {
        "name": "monitor", "timeout": "30s", "interval": "20s", "depth": "10", "role": "Promoted"}


def test_durations():
    assert (duration(20), duration(0.5), duration(None)) == ("20s", "0.5s", None)
