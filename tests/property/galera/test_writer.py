# SPDX-License-Identifier: Apache-2.0
"""The agreement on the writer, in simulated time: never two, whatever is slow, silent, cut off, or sees an old view;
and one for as long as all is quiet."""

import random

from hypothesis import given, settings, strategies as st
import pytest

from quorate.galera import writer
from quorate.galera.facts import ServerStatus
from quorate.galera.writer import HOLDS, MAX_AGE, NONE, Member, Role, Said

STEP = 0.1
LAG = 0.9      # seconds after which no check decides by an older view of the cluster
ANSWER = 0.4   # seconds that a round of questions takes at most
EVICTED = 5.0  # seconds until the others drop a server that died


class Check:
    def __init__(self, name):
        self.name, self.role, self.decided, self.members = name, Role(NONE, 0.0), -9.0, {}
        self.fit = self.up = True
        self.uuid, self.number = name + "-0", 0  # of its server; of the view that this one sees
        self.view, self.pending = None, []     # the order of the members as this one sees it; (when, view) to come
        self.next, self.ends, self.asked, self.heard = 0.0, None, 0.0, {}

    def holds(self, now):
        return self.up and self.fit and self.role.state == HOLDS and now - self.decided <= MAX_AGE


class World:
    """Some checks and a seed that chooses what becomes of them. auto: they cannot ask each other by the members'
    addresses, but only the hosts that the cluster may have."""

    def __init__(self, seed, count=3, auto=False):
        self.chance, self.now, self.auto, self.number = random.Random(seed), 0.0, auto, 0
        self.checks = [Check("n%d" % number) for number in range(count)]
        self.order = list(self.checks)
        self.cut, self.died = set(), {}  # (asker, asked) that cannot; dead server -> when
        for one in self.checks:
            one.view = tuple(self.order)

    def run(self, seconds, faults=True):
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            if faults and self.chance.random() < 0.06:
                self.fault()
            self.evict()
            for one in self.checks:
                self.step(one)
            holders = [one.name for one in self.checks if one.holds(self.now)]
            assert len(holders) <= 1, "two writers at %.1f: %s" % (self.now, holders)

    def fault(self):
        one, other = self.chance.sample(self.checks, 2)
        kind = self.chance.randrange(7)
        if kind == 0:
            one.fit = one not in self.died and not one.fit
        elif kind == 1:
            self.cut ^= {(one, other)}
        elif kind == 2:
            one.next = self.now + self.chance.uniform(0, 4)   # it gets no CPU
        elif kind == 3:
            one.up, one.role, one.members, one.ends = not one.up, Role(NONE, self.now), {}, None
        elif kind == 4 and one not in self.died:
            one.fit, self.died[one] = False, self.now
        elif kind == 5:
            self.chance.shuffle(self.order)                   # somebody joined or left, and all indices moved
            self.install()
        elif kind == 6 and one in self.died and one not in self.order:
            self.order.insert(self.chance.randrange(len(self.order) + 1), one)
            self.install()
            del self.died[one]
            one.view, one.fit, one.pending = tuple(self.order), True, []  # synced when its view is the new one
            one.number, one.uuid = self.number, "%s-%d" % (one.name, self.number)

    def evict(self):
        for one, since in self.died.items():
            if one in self.order and self.now - since > EVICTED:
                self.order.remove(one)
                self.install()

    def install(self):
        self.number += 1
        for one in self.checks:
            one.pending.append((self.now + self.chance.uniform(0, LAG), tuple(self.order), self.number))

    def step(self, one):
        for entry in [entry for entry in one.pending if entry[0] <= self.now]:
            one.pending = one.pending[one.pending.index(entry) + 1:]   # it observes the newest one, and never goes back
            one.view, one.number = entry[1:]
        if not one.up:
            return
        if one.ends is None and self.now >= one.next:
            one.asked, one.heard = self.now, {}
            one.ends = self.now + self.chance.uniform(0, ANSWER)
        if one.ends is None:
            return
        for other in self.checks if self.auto else one.view:   # each is asked at some moment of the round
            if other is not one and other.name not in one.heard and (self.chance.random() < 0.5
                                                                     or self.now >= one.ends):
                one.heard[other.name] = None if (one, other) in self.cut else (
                    Said(False, NONE, one.asked, self.now, None, None, None) if not other.up else
                    Said(other.fit, other.role.state, one.asked, self.now, other.uuid,
                         other.view.index(other) if other in other.view else None, ("state", other.number)))
        if self.now >= one.ends:
            self.decide(one)
            one.next, one.ends = self.now + self.chance.uniform(0.1, 0.3), None

    def decide(self, one):
        known, one.members = one.members, {}
        place = one.view.index(one) if one in one.view else None
        for index, other in enumerate(one.view):
            if other is not one:
                member = known.get(other.name, Member(False, self.now))._replace(lower=place is not None
                                                                                 and index < place)
                said = one.heard.get(other.name)
                if said is not None:
                    member = member._replace(answered=self.now, asked=one.asked, fit=said.fit, state=said.state)
                one.members[other.name] = member
        if self.auto and place is not None:
            status = ServerStatus(True, local_index=place, uuid=one.uuid, cluster_uuid="state", conf_id=one.number,
                                  addresses=("AUTO",) * len(one.view))
            answers = [said for said in one.heard.values() if said is not None and (
                said.index is not None or said.uuid is None)]
            one.members = writer.identified(status, answers, known, self.now)
        one.role = writer.next_role(one.role, one.fit and place is not None, list(one.members.values()), self.now)
        one.decided = self.now

    def heal(self):
        self.cut.clear()
        for one in self.checks:
            one.up = True
        while set(self.died) - {one for one in self.checks if one not in self.order}:
            self.run(1, faults=False)


@settings(max_examples=150, deadline=None, print_blob=True)
@given(st.integers(0, 2 ** 32), st.sampled_from([2, 3, 3, 5]), st.booleans())
def test_never_two_and_always_one_in_the_end(seed, count, auto):
    world = World(seed, count, auto)
    for _ in range(3):
        world.run(40)
        world.heal()
        world.run(20, faults=False)
        fit = [one for one in world.checks if one.fit and one in world.order]
        holders = [one for one in world.checks if one.holds(world.now)]
        assert min(1, len(fit)) == len(holders)
        world.run(20, faults=False)
        assert holders == [one for one in world.checks if one.holds(world.now)]  # and it stays


@pytest.mark.parametrize("name, value", [("ALONE", 1.0), ("KEEP", 60.0)])
def test_no_limit_of_time_is_there_for_nothing(monkeypatch, name, value):
    """Each is caught when it is wrong: the simulation would see two writers."""
    monkeypatch.setattr(writer, name, value)
    with pytest.raises(AssertionError, match="two writers"):
        for seed in range(3000):
            World(seed).run(60)


def test_nor_is_the_caution_towards_those_that_did_not_say_who_they_are(monkeypatch):
    """A mutant: one that is absent is taken for one that follows."""
    was = writer.identified
    monkeypatch.setattr(writer, "identified", lambda *given: {
        key: one._replace(lower=False) if isinstance(key, int) else one for key, one in was(*given).items()})
    with pytest.raises(AssertionError, match="two writers"):
        for seed in range(3000):
            World(seed, auto=True).run(60)
