# SPDX-License-Identifier: Apache-2.0
"""What symptoms add up to: a Diagnosis. Pure. How long each has lasted is an argument (timers.py)."""

from quorate.openstack import facts
from quorate.openstack.facts import Verdict


def judge(service, observed, found, durations, limits):
    """The Verdict. found: what symptoms() gave; lasting: key to seconds since the symptom was first seen (what is not in it
    was seen now)."""
    if not observed.tree.all:
        return Verdict(facts.STOPPED, "No %s runs on this node." % service.name)
    keys = tuple(one.key for one in found)
    for one in found:
        if one.kind == facts.FATAL:
            return Verdict(facts.FAILED, one.sentence, keys)
    one = outlasted(found, durations, limits)
    if one is not None:
        return Verdict(facts.FAILED, "%s It has been so for %d s." % (one.sentence, durations[one.key]), keys)
    if found:
        lasted = durations.get(found[0].key, 0.0)
        return Verdict(facts.DEGRADED, found[0].sentence + (" For %d s now." % lasted if lasted >= 1 else ""), keys)
    return Verdict(facts.HEALTHY, "", ())


def outlasted(found, durations, limits):
    """The first Symptom that lasts longer than it may, None: none does."""
    for one in found:
        limit = _limit(one, limits)
        if limit is not None and durations.get(one.key, 0.0) > limit:
            return one
    return None


def still(verdict, failed, durations):
    """The Verdict beside what another depth of the monitor had called failed: degraded is no answer then. failed: what was
    noted of that, a dict with key and sentence; lasting: as for judge, in which the symptom is until a look disproves it.

    Pacemaker (2.1.5) keeps one failed result a resource, the last, and a degraded one takes the place of the failed one before
    the scheduler has seen it: no recovery, and the same monitors again every 1.5 s.
    """
    if verdict.state == facts.DEGRADED and failed.get("key") in durations:
        return verdict._replace(state=facts.FAILED, sentence=failed["sentence"])
    return verdict


def _limit(symptom, limits):
    """Seconds after which a symptom counts as failed, None: never."""
    if symptom.kind == facts.PASSING:
        return limits.tolerance if symptom.limit is None else symptom.limit
    if symptom.kind == facts.OUTAGE and limits.outage > 0:
        return limits.outage
    return None
