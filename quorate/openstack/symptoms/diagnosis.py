# SPDX-License-Identifier: Apache-2.0
"""What symptoms add up to: a Diagnosis. Pure. How long each has lasted is an argument (see timers)."""

from quorate.openstack import facts
from quorate.openstack.facts import Diagnosis


def diagnose(service, observed, found, durations, limits):
    """The Diagnosis. found: what detect.symptoms() gave; durations: key to seconds since the symptom was first
    observed; one that is not in it was observed now."""
    if not observed.tree.all:
        return Diagnosis(facts.STOPPED, "No %s runs on this node." % service.name)
    keys = tuple(one.key for one in found)
    for one in found:
        if one.kind == facts.FATAL:
            return Diagnosis(facts.FAILED, one.message, keys)
    one = expired_symptom(found, durations, limits)
    if one is not None:
        return Diagnosis(facts.FAILED, _lasting(one, "It has lasted %d s." % durations[one.key]), keys)
    if found:
        seconds = durations.get(found[0].key, 0.0)
        return Diagnosis(facts.DEGRADED, _lasting(found[0], "It has lasted %d s so far." % seconds) if seconds >= 1 else
                         found[0].message, keys)
    return Diagnosis(facts.HEALTHY, "", ())


def _lasting(symptom, sentence):
    """The message of a symptom, and for how long it has lasted, where there is room for it in an exit reason."""
    text = "%s %s" % (symptom.message, sentence)
    return text if len(text) <= facts.REASON_MOST else symptom.message


def expired_symptom(found, durations, limits):
    """The first Symptom that has lasted longer than it may, None: none has."""
    for one in found:
        limit = _limit(one, limits)
        if limit is not None and durations.get(one.key, 0.0) > limit:
            return one
    return None


def keep_failed(diagnosis, failed, durations):
    """The Diagnosis, failed instead of degraded while a failure that another level of the monitor found still holds.

    failed: contents of FAILED_FILE, a dict with key and sentence; durations: as for diagnose(); a symptom stays in it
    until an observation disproves it.

    Pacemaker (2.1.5) keeps one failed result per resource, the last one, and a degraded one replaces the failed one
    before the scheduler has seen it: no recovery, and the same monitors again every 1.5 s.
    """
    if diagnosis.state == facts.DEGRADED and failed.get("key") in durations:
        return diagnosis._replace(state=facts.FAILED, message=failed["sentence"])
    return diagnosis


def _limit(symptom, limits):
    """Seconds after which a symptom counts as failed, None: never."""
    if symptom.kind == facts.PASSING:
        return limits.tolerance if symptom.limit is None else symptom.limit
    if symptom.kind == facts.OUTAGE and limits.outage > 0:
        return limits.outage
    return None
