# SPDX-License-Identifier: Apache-2.0
"""What is kept on record while a broker serves, and what is to be done once after a boot.

The monitor of a healthy broker finds nothing changed: that costs two stat calls and, once a minute, one question to the
cluster whether it still has this node's report.
"""

import os

from quorate.host.state_files import stamp
from quorate.pacemaker.tools import this_node
from quorate.rabbitmq import facts

VERIFY = 60  # seconds after which it is looked whether the cluster still has the report


def keep_record(participant, observed):
    """Publish the state and the members when they changed."""
    state_files, layout, now = participant.state_files, participant.layout, int(participant.context.clock.monotonic())
    note = state_files.read("serving")
    mark = "%s %s %s" % (observed.state, stamp(os.path.join(layout.directory, "cluster_nodes.config")),
                         stamp(os.path.join(layout.directory, "nodes_running_at_shutdown")))
    verified = int(note.get("verified", 0))
    if note.get("mark") == mark and 0 <= now - verified < VERIFY and not participant.context.is_probe:
        return
    if not 0 <= now - verified < VERIFY:
        reports = participant.published.reports()
        if this_node(participant.context) not in reports:
            state_files.forget("published")
        elif others_joined(reports, this_node(participant.context)):
            learn_members(participant)
            participant.report(observed.state)
    if note.get("mark") != mark:
        if not note:
            if participant.from_disk().store == facts.KHEPRI:
                learn_members(participant)
            participant.disk.drop_evidence()
            participant.disk.keep_served()
            _end_word(participant)
            participant.published.took_part(participant.published.generation() or 0)
        participant.report(observed.state)
        participant.published.set_status(words(observed))
    elif not state_files.has("published"):
        participant.report(observed.state)
        participant.published.set_status(words(observed))
    state_files.write("serving", {"mark": mark, "verified": now})


def _end_word(participant):
    """An operator's word to boot ends when a broker serves: left lying, it would be obeyed after the next stop of all, when
    nobody means it any more."""
    word = participant.published.override()
    if word is not None:
        participant.context.log.warning("The word of %s to boot %s was not carried out, and ends: a broker runs." % (word.by, word.node))
        participant.published.set_override(None)


def others_joined(reports, me):
    """Whether, with Khepri, a broker runs that this node does not know as a member. With Mnesia it stands in a file."""
    own = reports[me]
    return own.store == facts.KHEPRI and any(
        one.state == facts.RUNNING and one.name and one.name not in (own.members or ()) for one in reports.values())


def learn_members(participant):
    """Ask the broker who the members are, and keep it over a reboot: with Khepri they stand in no file of its own."""
    from quorate.rabbitmq.broker import parse
    from quorate.rabbitmq.broker.ctl import Tools
    found = parse.cluster_members(Tools(participant.context, participant.layout).cluster_status())
    if found:
        participant.disk.keep_members(found)


def words(observed):
    """The live sentence."""
    return "running" if observed.state == facts.RUNNING else observed.sentence


def after_boot(participant):
    """Once after each boot: quorum queues of a node that joined anew, the policy."""
    from quorate.rabbitmq.broker.ctl import Tools
    state_files = participant.state_files
    if state_files.read("grow", persistent=True):
        done, sentence = Tools(participant.context, participant.layout).grow(participant.layout.nodename)
        if done:
            state_files.discard("grow")
        else:
            participant.context.log.warning(sentence)  # the next monitor tries again
    if not state_files.has("policy"):
        apply_policy(participant)


def apply_policy(participant):
    """Set the policy of the parameter, if it is not the one that was set last. One node is enough; twice does no harm."""
    from quorate.rabbitmq.broker import policy
    from quorate.rabbitmq.broker import parse
    from quorate.rabbitmq.broker.ctl import Tools
    state_files, text = participant.state_files, participant.context.parameters.set_policy
    if not text:
        state_files.write("policy", {"mark": "-"})
        return
    try:
        wanted = policy.parse(text)
        problem = policy.refused(wanted, parse.version_key(participant.layout.version))
    except policy.Unclear as unclear:
        problem = str(unclear)
    if not problem:
        mark = _mark("\0".join(wanted.words()))
        # A cluster that is founded anew has none, whatever was set in the one before.
        if participant.published.policy() != mark or state_files.read("launched-for").get("action") == facts.FOUND:
            done, trouble = Tools(participant.context, participant.layout).set_policy(wanted)
            if not done:
                _complain(participant, trouble)
                return  # the next monitor tries again: the broker may only have been busy
            participant.context.log.info("The policy %s was set." % wanted.name)
            participant.published.policy_set(mark)
        state_files.forget("complaint")
    else:
        _complain(participant, problem)
    state_files.write("policy", {"mark": "-"})


def _complain(participant, problem):
    """Have it logged, and shown as degraded."""
    participant.context.log.error(problem)
    participant.state_files.write("complaint", {"text": problem})


def _mark(text):
    from hashlib import sha256
    return sha256(text.encode()).hexdigest()[:16]
