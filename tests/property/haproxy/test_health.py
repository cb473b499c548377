# SPDX-License-Identifier: Apache-2.0
"""Properties of haproxy-check's Health, over all that HAProxy could say."""

from hypothesis import given, strategies as st

from quorate.haproxy.facts import Backend, Frontend, Process, State
from quorate.haproxy.health import OPEN, Policy, classify

NAMES = st.sampled_from("abcde")
FRONTENDS = st.lists(st.builds(Frontend, NAMES, st.sampled_from(["OPEN", "FULL", "PAUSED", "STOP"])),
                     unique_by=lambda each: each.name).map(tuple)
BACKENDS = st.lists(st.builds(Backend, NAMES, st.sampled_from(["UP", "UP 1/3", "DOWN", "DOWN 1/2", "MAINT"]),
                              st.just(1), st.just(2)),
                    unique_by=lambda each: each.name).map(tuple)
ANSWERED = st.builds(State, st.none(), st.none(), st.just(7), st.just("2.6"), st.just(1),
                     st.sampled_from([None, False, True]),
                     st.just(0), FRONTENDS, BACKENDS)
SILENT = st.builds(State,
                   st.sampled_from(["absent", "refused", "denied", "busy", "silent", "cut", "foreign", "failed"]),
                   st.just("x"),
                   processes=st.lists(st.builds(Process, st.integers(2, 9), st.sampled_from("STDR"))).map(tuple))
POLICIES = st.builds(Policy, st.lists(NAMES, unique=True).map(tuple), st.lists(NAMES, unique=True).map(tuple),
                     st.just("/s"))


def fit(state, policy):
    return classify(state, policy).ok


@given(ANSWERED | SILENT, POLICIES)
def test_it_always_is_one_sentence(state, policy):
    found = classify(state, policy)
    assert found.sentence and "\n" not in found.sentence and "None" not in found.sentence


@given(SILENT, POLICIES)
def test_silence_is_never_fit(state, policy):
    assert not fit(state, policy)


@given(ANSWERED, POLICIES)
def test_what_fit_promises(state, policy):
    if not fit(state, policy):
        return
    opened = {each.name for each in state.frontends if each.status in OPEN}
    up = {each.name for each in state.backends if each.status.startswith("UP")}
    assert not state.stopping
    assert opened and set(policy.listeners) <= opened
    assert policy.listeners or len(opened) == len(state.frontends)
    assert set(policy.backends) <= up
    assert up or not state.backends


@given(ANSWERED, POLICIES, st.data())
def test_worse_never_makes_it_fit(state, policy, data):
    """One listener closed, or one backend without its servers."""
    worse = state
    if state.frontends:
        hit = data.draw(st.sampled_from(state.frontends))
        worse = worse._replace(frontends=tuple(each._replace(status="STOP") if each == hit else each
                                               for each in state.frontends))
    if state.backends:
        hit = data.draw(st.sampled_from(state.backends))
        worse = worse._replace(backends=tuple(each._replace(status="DOWN") if each == hit else each
                                              for each in state.backends))
    assert fit(state, policy) or not fit(worse, policy)


@given(ANSWERED, POLICIES, st.randoms(use_true_random=False))
def test_order_does_not_matter(state, policy, random):
    def mixed(values):
        values = list(values)
        random.shuffle(values)
        return tuple(values)

    other = state._replace(frontends=mixed(state.frontends), backends=mixed(state.backends))
    assert classify(state, policy)[:2] == classify(other, policy)[:2]


@given(ANSWERED, POLICIES, NAMES)
def test_asking_for_more_never_makes_it_fit(state, policy, name):
    if policy.listeners:
        assert fit(state, policy) or not fit(state, policy._replace(listeners=policy.listeners + (name,)))
    assert fit(state, policy) or not fit(state, policy._replace(backends=policy.backends + (name,)))
