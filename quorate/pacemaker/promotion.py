# SPDX-License-Identifier: Apache-2.0
"""Promotion scores: whether an instance may be promoted, and with which preference.

An instance without a score or with a negative one is never promoted. Deleting the score of a promoted instance demotes
it. The score is the transient attribute master-RESOURCE (the name did not change with OCF 1.1), so attrd_updater is the
cheapest way to set it (lib/pacemaker/pcmk_sched_promotable.c).
"""


def name(instance):
    """The attribute's name for a resource id without ':N'."""
    return "master-" + instance


def scores(attributes, instance):
    """Scores of all nodes: dict of node name to int. A text that is not a number counts as no score."""
    found = {}
    for node, text in attributes.all(name(instance)).items():
        score = _score(text)
        if score is not None:
            found[node] = score
    return found


def offer(attributes, instance, score, node=None):
    """Set the score."""
    attributes.set(name(instance), "%d" % score, node)


def withdraw(attributes, instance, node=None):
    """Delete the score: do not promote; if promoted, demote."""
    attributes.delete(name(instance), node)


def _score(text):
    if text in ("INFINITY", "+INFINITY"):
        return 1000000
    if text == "-INFINITY":
        return -1000000
    try:
        return int(text)
    except ValueError:
        return None
