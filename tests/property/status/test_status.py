# SPDX-License-Identifier: Apache-2.0
"""Whatever crm_mon prints: a summary, and a screen that fits."""

import copy
from xml.etree import ElementTree

from hypothesis import given, settings, strategies as st

from quorate.pacemaker import crm_mon
from quorate.pacemaker.cib import Configuration
from quorate.status import observe, screen
from quorate.status.facts import LEVELS, Observation
from quorate.status.summary import exit_code, summarise
from quorate.text import one_line, wrapped
from tests.unit.status.clusters import CAPTURED, captured

TREES = {name: ElementTree.fromstring(captured(name + ".xml")) for name in CAPTURED}
CONFIGURATION = Configuration(captured("configuration.xml"))
TEXTS = st.one_of(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=300), st.sampled_from([
    "", "true", "false", "-1", "190", "191", "Promoted", "Stopped", "Demoting", "n1", "n9", "db", "x" * 200,
    "a b " * 90, "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 60, "db_monitor_10000", "_", "INFINITY", "9" * 30]))


@st.composite
def screens(draw):
    """A captured answer in which attributes were changed, removed or added, and elements taken away."""
    root = copy.deepcopy(TREES[draw(st.sampled_from(CAPTURED))])
    for _ in range(draw(st.integers(0, 12))):
        everything = list(root.iter())
        element = everything[draw(st.integers(0, len(everything) - 1))]
        what = draw(st.integers(0, 3))
        if what == 0 and element.attrib:
            del element.attrib[draw(st.sampled_from(sorted(element.attrib)))]
        elif what == 1 and element.attrib:
            element.attrib[draw(st.sampled_from(sorted(element.attrib)))] = draw(TEXTS)
        elif what == 2 and len(element):
            element.remove(element[draw(st.integers(0, len(element) - 1))])
        elif what == 3 and len(element):
            element.append(copy.deepcopy(element[draw(st.integers(0, len(element) - 1))]))
    return ElementTree.tostring(root, encoding="unicode")


@settings(max_examples=80, deadline=None)
@given(screens(), st.integers(0, 200), st.booleans(), st.booleans(), TEXTS)
def test_no_answer_breaks_the_screen_or_its_width(text, width, configured, colour, drained):
    try:
        cluster = crm_mon.parse(text)
    except crm_mon.Garbled:
        return
    names = [node.name for node in cluster.nodes]
    observed = Observation(names[0] if names else None, cluster,
                           observe.configured(CONFIGURATION, names) if configured else None, None, drained or None, (),
                           (drained,))
    summary = summarise(observed)
    assert summary.level in LEVELS and exit_code(summary) in (0, 1)
    found = screen.lines(summary, observed, width)
    assert all(len(line) <= max(width, screen.NARROWEST) for line in found), max(found, key=len)
    assert all(" " <= letter <= "~" for line in found for letter in line)
    coloured = screen.lines(summary, observed, width, True)
    assert len(coloured) == len(found)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_a_cluster_or_garbled(text):
    for function, error in ((crm_mon.parse, crm_mon.Garbled), (observe.parse_proxies, ValueError)):
        try:
            function(text)
        except error:
            pass


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300), st.integers(1, 90))
def test_wrapping_keeps_every_letter_and_the_width(text, width):
    found = wrapped(text, width, cut=True)
    assert all(0 < len(line) <= width for line in found)
    assert "".join("".join(found).split()) == "".join(text.split())


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300), st.integers(1, 90))
def test_one_line_is_printable_ascii(text, most):
    line = one_line(text, most)
    assert all(" " <= letter <= "~" for letter in line) and len(line) <= most
