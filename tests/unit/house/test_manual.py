# SPDX-License-Identifier: Apache-2.0
"""Manual pages and the README's tables come from the declarations."""

import glob
import os
import shutil
import subprocess

import pytest

from quorate.cli import manual
from quorate.ocf.agent import Agent
from quorate.ocf.declaration import Action, Parameter
from tests import ROOT

AGENT = Agent(
    "pump", "Moves water", "One pump.\n\n.It is not a request\n'nor is this\n\n    pump --fast \\\n",
    (Parameter("pipe", "string", None, "Pipe | hose", "Which pipe.\n\nSecond paragraph.", required=True,
               unique_group="pipe"),
     Parameter("speed", "select", "slow", "Speed", "How fast.", options=("slow", "fast"), reloadable=True),
     Parameter("old", "boolean", None, "Old", "Was the pipe once.", deprecated=("pipe",))),
    (Action("start", 20), Action("monitor", 30, 10, None, "Promoted"), Action("promote", 60)), {})


def _lint(text, tmp_path):
    """What groff has to say about a page, none when it is well-formed."""
    page = tmp_path / "page.7"
    page.write_text(text)
    return subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", str(page)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True).stdout


def test_page_names_every_parameter_action_and_default():
    text = manual.roff(manual.agent_page(AGENT))

    assert '.TH "OCF_QUORATE_PUMP" "7"' in text
    assert "\\fBpipe\\fR (string, required, unique)" in text
    assert "\\fBspeed\\fR (one of slow, fast, default slow, reloadable)" in text
    assert "Deprecated: use pipe instead." in text
    assert "monitor      timeout 30s, interval 10s, role Promoted" in text
    assert "validate\\-all timeout 20s" in text


def test_text_never_becomes_a_request():
    """A line that starts with a dot or an apostrophe would be taken for a macro; a backslash for an escape."""
    lines = manual.roff(manual.agent_page(AGENT)).splitlines()

    assert "\\&.It is not a request" in lines
    assert "\\&'nor is this" in lines
    assert "pump \\-\\-fast \\e" in lines


def test_paragraph_of_a_parameter_keeps_its_indentation():
    lines = manual.roff(manual.agent_page(AGENT)).splitlines()

    assert ".IP" == lines[lines.index("Second paragraph.") - 1]


def test_example_has_the_required_parameters():
    assert ["pcs resource create pump ocf:quorate:pump \\", "    pipe=... \\",
            "    promotable"] == manual.example(AGENT)


def test_table_escapes_what_would_end_a_cell():
    assert "| `pipe` | **required** | Pipe \\| hose |" in manual.parameter_table(AGENT)


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed: apt-get install groff-base")
@pytest.mark.parametrize("page", [manual.agent_page(AGENT)] + manual.pages(), ids=lambda page: page.name)
def test_groff_has_nothing_to_say(page, tmp_path):
    assert "" == _lint(manual.roff(page), tmp_path)


def test_every_agent_and_command_has_a_page():
    """One page a file in agents/, checks/ and bin/."""
    expected = {"ocf_quorate_%s.7" % name for name in _files("agents")}
    expected |= {"%s.8" % name for name in _files("checks") + _files("bin")}

    assert expected == {"%s.%d" % (page.name, page.section) for page in manual.pages()}


def test_documentation_has_the_tables_of_the_declarations():
    """`python3 -m quorate.cli.manual --tables FILE` prints the file as it should be."""
    pages = sorted(glob.glob(os.path.join(ROOT, "docs", "*.md")))
    texts = []
    for path in pages:
        with open(path, encoding="utf-8") as file:
            texts.append(file.read())
        assert manual.with_tables(texts[-1]) == texts[-1], path

    for agent in manual.agents():
        assert [text for text in texts if "<!-- parameters of %s:" % agent.name in text], agent.name


def _files(directory):
    path = os.path.join(ROOT, directory)
    return sorted(name for name in os.listdir(path) if not name.startswith(("_", "."))) if os.path.isdir(path) else []
