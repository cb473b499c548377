# SPDX-License-Identifier: Apache-2.0
"""Properties of the answer that every check gives, whatever it found."""

from hypothesis import given, strategies as st

from quorate.health import Health
from quorate.web import respond
from quorate.web.check import Check, Fact, as_data, role_answer
from quorate.web.request import Request

CODES = st.sampled_from(["serving", "degraded", "down", "hung", "unknown", "refused", "maintenance", "error"])
FACTS = st.builds(Fact, st.none() | st.builds(lambda value: value, st.just((1, 2))),
                  st.builds(Health, CODES, st.booleans(), st.text(min_size=1, max_size=50)), st.none()
                  | st.text(min_size=1, max_size=30))
PATHS = st.sampled_from(["/", "/ready", "/live", "/nonsense", "/status"])


class Any(Check):
    """any-check: whatever"""

    name, room, service = "any-check", "any", "It"


CHECK = Any({})


class Still:
    def __init__(self, fact):
        self.fact, self.asked, self.version = fact, 100.0, 1


@given(FACTS, PATHS, st.booleans())
def test_200_is_only_for_a_fresh_fact_that_says_so(fact, path, fresh):
    status, body = role_answer(CHECK, fact, path, fresh)
    assert body.endswith("\r\n")
    if status == 200:
        assert fresh and path in CHECK.roles
        assert fact.health.ok and not fact.draining or path == "/live"


@given(FACTS, PATHS)
def test_a_drain_takes_away_and_gives_nothing(fact, path):
    drained, free = (role_answer(CHECK, fact._replace(draining=reason), path)[0] for reason in ("x", None))
    assert drained == free or (free, drained) == (200, 404)


@given(FACTS, PATHS, st.sampled_from(["GET", "HEAD", "OPTIONS", "POST"]), st.booleans())
def test_lengths_are_exact_and_no_text_becomes_a_header(fact, path, method, keep):
    out, _ = respond.Responder(CHECK, Still(fact), clock=lambda: 100.0).respond(Request(method, path, keep))
    head, _, body = out.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    length = next(int(line.partition(":")[2]) for line in lines if line.startswith("Content-Length:"))
    assert len(body) == (0 if method == "HEAD" else length)
    assert {line.partition(":")[0] for line in lines[1:]} <= {"Content-Type", "Connection", "Content-Length",
                                                              "Cache-Control", "Allow"}


@given(FACTS)
def test_agent_line_is_one_line_that_agrees_with_the_answer(fact):
    line = respond.Responder(CHECK, Still(fact), clock=lambda: 100.0).agent()
    assert line.endswith(b"\n") and 1 == line.count(b"\n")
    if line.startswith(b"up"):
        assert 200 == role_answer(CHECK, fact, "/")[0]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)
                    | st.tuples(inner, inner)
                    | st.frozensets(st.text()) | st.dictionaries(st.text(), inner)
                    | st.builds(Health, inner, inner, inner), max_leaves=8))
def test_whatever_is_known_becomes_json(value):
    import json
    assert json.loads(json.dumps(as_data(value))) is not None or value is None
