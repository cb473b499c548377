# SPDX-License-Identifier: Apache-2.0
"""What HAProxy says on its stats socket, as captured from 2.6 and 3.0, and what is not HAProxy's."""

import csv

from hypothesis import given, strategies as st
import pytest

from quorate.haproxy import parse
from quorate.haproxy.facts import CUT, FOREIGN, Backend, Frontend
from tests.unit.haproxy.answers import captured


@pytest.mark.parametrize("version", ["2.6", "3.0"])
def test_captured_answer(version):
    """A listener row of option socket-stats is no server; a proxy without servers is no backend that could lack one."""
    state = parse.state(captured(version))

    assert (None, False, True) == (state.error, state.stopping, state.version.startswith(version + "."))
    assert state.pid > 1 and state.uptime >= 0 and state.sessions >= 0
    assert (Frontend("galera_cluster", "OPEN"), Frontend("web", "PAUSED"), Frontend("page", "OPEN")) == state.frontends
    assert (Backend("galera_cluster", "UP", 1, 2), Backend("app", "UP", 1, 3),
            Backend("gone", "DOWN", 0, 1)) == state.backends


@pytest.mark.parametrize("version", ["2.6", "3.0"])
def test_no_part_of_an_answer_is_taken_for_the_whole(version):
    """HAProxy that dies in the middle of it must not look like one with fewer backends."""
    text = captured(version)
    assert {CUT} == {parse.state(text[:length]).error for length in range(text.index("\nPid: ") + 6, len(text) - 1)}


@pytest.mark.parametrize("text, error", [
    ("", CUT), ("\n", CUT), ("220 mail.example ESMTP\r\n", FOREIGN), ("Unknown command: 'show', but maybe\n", FOREIGN),
    ("Permission denied\n\n", FOREIGN)])
def test_other_answers(text, error):
    assert error == parse.state(text).error


@pytest.mark.parametrize("status, expected", [
    ("UP", True), ("UP 1/3", True), ("no check", True), ("DOWN", False), ("DOWN 1/2", False), ("NOLB", False),
    ("MAINT", False),
    ("MAINT (via app/a)", False), ("MAINT (resolution)", False), ("DRAIN", False), ("DRAIN (agent)", False),
    ("DOWN (agent)", False), ("", False)])
def test_which_servers_take_new_connections(status, expected):
    assert expected is parse.usable(status)


@given(st.lists(st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",))), min_size=1))
def test_cells_are_those_of_the_csv_module(values):
    line = ",".join('"%s"' % value.replace('"', '""') if '"' in value or "," in value else value for value in values)

    assert next(csv.reader([line + ",end"])) == parse.cells(line + ",end") == values + ["end"]


def test_bookkeeping_of_a_plan_serves_nobody():
    """A node that is down is not reported a second time as a backend of its own."""
    table = "# pxname,svname,status\n" + "".join("%s,%s,%s\n" % row for row in (
        ("db", "FRONTEND", "OPEN"), ("db", "n1", "DOWN"), ("db", "n2", "UP"), ("db", "BACKEND", "UP"),
        ("db.n1", "n1", "DOWN"), ("db.n1", "BACKEND", "DOWN"), ("other.n1", "n1", "UP"), ("other.n1", "BACKEND", "UP")))

    assert ["db", "other.n1"] == [each.name for each in parse.proxies(table.replace("status\n", "status,type\n"))[1]]
