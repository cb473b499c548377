# SPDX-License-Identifier: Apache-2.0
"""Properties of api-check's Health and parser, over all that a server could say."""

from hypothesis import given, strategies as st

from quorate.openstack.api import facts, parse
from quorate.openstack.api.facts import Reply, State
from quorate.openstack.api.health import classify

ERRORS = [facts.REFUSED, facts.UNREACHABLE, facts.NAME, facts.TLS, facts.TIMEOUT, facts.CLOSED, facts.RESET,
          facts.GARBAGE,
          facts.HALF, facts.LONG, facts.FAILED]
BODIES = st.binary(max_size=300) | st.sampled_from([b"OK", b"{}", b'{"versions": []}', b"<html>", b"[[[[",
                                                    b'{"a": 1e999}'])
REPLIES = st.builds(Reply, st.none(), st.none(), st.integers(100, 599),
                    st.dictionaries(st.sampled_from(["location", "content-type"]), st.text(max_size=20)), BODIES)
BROKEN = st.builds(Reply, st.sampled_from(ERRORS), st.just("x"), st.none() | st.integers(100, 599))
WANTED = st.sampled_from([facts.ANY, facts.JSON, facts.VERSIONS, facts.HTML, facts.TEXT])
WHO = st.sampled_from([None, "token", "credentials"])


@given(REPLIES | BROKEN, WANTED, WHO, st.sampled_from([None, "why."]))
def test_it_always_is_one_line_that_a_terminal_can_show(reply, wanted, who, identity):
    found = classify(State("http://a/", parse.answer(reply), wanted, who, identity), "Nova")
    assert found.sentence.replace("None", "").strip()
    assert found.sentence.isprintable()


@given(REPLIES | BROKEN, WANTED, WHO)
def test_fit_is_an_answer_of_the_kind_that_was_wanted(reply, wanted, who):
    answer = parse.answer(reply)
    found = classify(State("http://a/", answer, wanted, who), "Nova")
    if found.ok:
        assert answer.error is None
        assert answer.status in (200, 300) or (answer.status == 403 and who)
        assert answer.status == 403 or wanted in (facts.ANY, answer.kind) or (wanted, answer.kind) == (facts.JSON,
                                                                                                       facts.VERSIONS)


@given(BROKEN, WANTED, WHO)
def test_half_an_answer_is_never_fit(reply, wanted, who):
    assert not classify(State("http://a/", parse.answer(reply), wanted, who), "Nova").ok


@given(REPLIES, WHO)
def test_whoever_accepts_anything_accepts_what_the_strict_accept(reply, who):
    answer = parse.answer(reply)
    for wanted in (facts.JSON, facts.VERSIONS, facts.HTML, facts.TEXT):
        if classify(State("http://a/", answer, wanted, who), "Nova").ok:
            assert classify(State("http://a/", answer, facts.ANY, who), "Nova").ok


@given(st.text(max_size=200))
def test_any_file_is_an_openrc_or_a_clear_error(text):
    try:
        found = parse.openrc(text)
    except ValueError as error:
        assert str(error)
    else:
        assert parse.token_request(found)["auth"]["identity"]["methods"]


@given(st.text(st.characters(blacklist_characters="'\n\r", blacklist_categories=("Cs",)), min_size=1))
def test_a_password_in_single_quotes_comes_through(password):
    if password.splitlines() != [password]:
        return  # other line ends of Unicode
    text = "OS_AUTH_URL=http://k\nOS_USERNAME=a\nexport OS_PASSWORD='%s'  # it\n" % password
    assert password == parse.openrc(text)["OS_PASSWORD"]


@given(BODIES, st.integers(0, 600), st.booleans())
def test_reading_a_token_never_fails(body, status, header):
    found = parse.token(Reply(status=status, headers={"x-subject-token": "t"} if header else {}, body=body))
    assert found is None or found.value == "t"
