# SPDX-License-Identifier: Apache-2.0
"""Facts as values of node attributes: whole or not at all."""

from collections import namedtuple

import pytest

from quorate.pacemaker import encoding

Fact = namedtuple("Fact", "name count sure")
FIELDS = (("n", "name", str, encoding.word), ("c", "count", encoding.whole, encoding.number),
          ("s", "sure", encoding.bit, encoding.flag))


def decode(text):
    found = encoding.values(text, "end")
    return None if found is None else encoding.read(FIELDS, found)


@pytest.mark.parametrize("fact, text", [
    (Fact("n1", -1, False), "v1,n:n1,c:-1,s:0,end"),
    (Fact("a name, with blanks", None, True), "v1,s:1,end"),
])
def test_what_is_unknown_or_cannot_be_written_is_left_out(fact, text):
    assert encoding.line(encoding.parts(FIELDS, fact), "end") == text
    assert decode(text) == {
        name: value for name, value in fact._asdict().items() if value is not None and value != "a name, with blanks"}


@pytest.mark.parametrize("text", ["", None, "v2,n:n1,end", "v1,n:n1", "v1,n:n1,n:n2,end", "v1,n,end", "v1,n:n1,en"])
def test_half_a_text_is_none(text):
    assert encoding.values(text, "end") is None


def test_keys_of_a_newer_node_are_passed_over():
    assert decode("v1,n:n1,mood:good,end") == {"name": "n1"}


@pytest.mark.parametrize("text", ["v1,n:,end", "v1,c:1_0,end", "v1,c:\u0663,end", "v1,s:yes,end"])
def test_a_value_that_cannot_be_understood_is_no_value(text):
    with pytest.raises((ValueError, KeyError)):
        decode(text)
