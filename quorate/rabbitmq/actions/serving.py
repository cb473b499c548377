# SPDX-License-Identifier: Apache-2.0
"""What is kept on record while a broker serves, and what is to be done once after a boot.

The monitor of a healthy broker finds nothing changed: that costs two stat calls and, once a minute, one question to the
cluster whether it still has this node's report.
"""

import os

from quorate.host.state_files import stamp
from quorate.rabbitmq import facts

VERIFY = 60  # seconds after which it is looked whether the cluster still has the report


def keep_record(cluster, seen):
    """Publish the state and the members when they changed."""
    memory, layout, now = cluster.memory, cluster.layout, int(cluster.context.clock.monotonic())
    note = memory.read("serving")
    mark = "%s %s %s" % (seen.state, stamp(os.path.join(layout.directory, "cluster_nodes.config")),
                         stamp(os.path.join(layout.directory, "nodes_running_at_shutdown")))
    verified = int(note.get("verified", 0))
    if note.get("mark") == mark and 0 <= now - verified < VERIFY and not cluster.context.is_probe:
        return
    if not 0 <= now - verified < VERIFY:
        reports = cluster.board.reports()
        if cluster.context.node not in reports:
            memory.forget("published")
        elif others_joined(reports, cluster.context.node):
            learn_members(cluster)
            cluster.report(seen.state)
    if note.get("mark") != mark:
        if not note:
            if cluster.from_disk().store == facts.KHEPRI:
                learn_members(cluster)
            cluster.disk.drop_evidence()
            cluster.disk.keep_served()
            _end_word(cluster)
            cluster.board.took_part(cluster.board.generation() or 0)
        cluster.report(seen.state)
        cluster.board.say(words(seen))
    elif not memory.has("published"):
        cluster.report(seen.state)
        cluster.board.say(words(seen))
    memory.write("serving", {"mark": mark, "verified": now})


def _end_word(cluster):
    """An operator's word to boot ends when a broker serves: left lying, it would be obeyed after the next stop of all, when
    nobody means it any more."""
    word = cluster.board.override()
    if word is not None:
        cluster.context.log.warning("The word of %s to boot %s was not carried out, and ends: a broker runs." % (word.by, word.node))
        cluster.board.overrule(None)


def others_joined(reports, me):
    """Whether, with Khepri, a broker runs that this node does not know as a member. With Mnesia it stands in a file."""
    own = reports[me]
    return own.store == facts.KHEPRI and any(
        one.state == facts.RUNNING and one.name and one.name not in (own.members or ()) for one in reports.values())


def learn_members(cluster):
    """Ask the broker who the members are, and keep it over a reboot: with Khepri they stand in no file of its own."""
    from quorate.rabbitmq.broker import parse
    from quorate.rabbitmq.broker.ctl import Tools
    found = parse.cluster_members(Tools(cluster.context, cluster.layout).cluster_status())
    if found:
        cluster.disk.keep_members(found)


def words(seen):
    """The live sentence."""
    return "running" if seen.state == facts.RUNNING else seen.sentence


def after_boot(cluster):
    """Once after each boot: quorum queues of a node that joined anew, the policy."""
    from quorate.rabbitmq.broker.ctl import Tools
    memory = cluster.memory
    if memory.read("grow", lasting=True):
        done, sentence = Tools(cluster.context, cluster.layout).grow(cluster.layout.nodename)
        if done:
            memory.discard("grow")
        else:
            cluster.context.log.warning(sentence)  # the next monitor tries again
    if not memory.has("policy"):
        apply_policy(cluster)


def apply_policy(cluster):
    """Set the policy of the parameter, if it is not the one that was set last. One node is enough; twice does no harm."""
    from quorate.rabbitmq.broker import policy
    from quorate.rabbitmq.broker import parse
    from quorate.rabbitmq.broker.ctl import Tools
    memory, text = cluster.memory, cluster.context.parameters.set_policy
    if not text:
        memory.write("policy", {"mark": "-"})
        return
    try:
        wanted = policy.parse(text)
        problem = policy.refused(wanted, parse.version_key(cluster.layout.version))
    except policy.Unclear as unclear:
        problem = str(unclear)
    if not problem:
        mark = _mark("\0".join(wanted.words()))
        # A cluster that is founded anew has none, whatever was set in the one before.
        if cluster.board.policy() != mark or memory.read("launched-for").get("action") == facts.FOUND:
            done, trouble = Tools(cluster.context, cluster.layout).set_policy(wanted)
            if not done:
                _complain(cluster, trouble)
                return  # the next monitor tries again: the broker may only have been busy
            cluster.context.log.info("The policy %s was set." % wanted.name)
            cluster.board.policy_set(mark)
        memory.forget("complaint")
    else:
        _complain(cluster, problem)
    memory.write("policy", {"mark": "-"})


def _complain(cluster, problem):
    """Have it logged, and shown as degraded."""
    cluster.context.log.error(problem)
    cluster.memory.write("complaint", {"text": problem})


def _mark(text):
    from hashlib import sha256
    return sha256(text.encode()).hexdigest()[:16]
