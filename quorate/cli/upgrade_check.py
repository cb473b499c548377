# SPDX-License-Identifier: Apache-2.0
"""`quorate rabbitmq upgrade-check`: ask the running cluster what stands in the way of a newer RabbitMQ."""

import sys

from quorate.errors import Refused, Unreadable, Usage
from quorate.rabbitmq import facts, upgrade
from quorate.rabbitmq.broker.tools.contents import DEPRECATED_SINCE, Questions, Unanswered

SECONDS = 600.0  # one limit for all questions: each starts an Erlang machine, and there are some for each virtual host


def check(participant, to=None, out=None):
    """Print the findings about an upgrade to the release `to` (text such as '4.0'; None: the next one). The exit
    code: 0 nothing stands in the way, 1 something does, 2 it could not be found out. Raises Refused: no broker can be
    asked, or nothing is known about that release; Usage."""
    held, unknown = ask(_questions(participant))
    target = _target(to, held.status)
    try:
        settings = here(participant.context.parameters)
    except Unreadable as error:
        settings, unknown = None, unknown + ["this node's configuration: %s" % error.reason.rstrip(".")]
    found = upgrade.findings(held, settings, target)
    found += [upgrade.Finding(upgrade.UNKNOWN, text) for text in unknown]
    out = out or sys.stdout
    out.write("RabbitMQ %s; what stands in the way of %s:\n" % (
        ", ".join(sorted(set(held.status.versions.values()))) if held.status else "of unknown release",
        upgrade.shown(target)))
    for one in found:
        out.write("%s: %s\n" % (one.kind if one.kind != upgrade.LATER else "in the way of " + upgrade.shown(one.since),
                                one.text))
    kinds = {one.kind for one in found}
    if upgrade.IN_THE_WAY in kinds:
        return 1
    if upgrade.UNKNOWN in kinds:
        out.write("It could not be found out whether something stands in the way.\n")
        return 2
    out.write("Nothing stands in the way of %s.\n" % upgrade.shown(target))
    return 0


def _questions(participant):
    """Questions to the broker of this node where it runs, else to one that does."""
    from quorate.host.clock import Deadline
    from quorate.rabbitmq.broker.tools.ctl import Tools
    reports = participant.published.reports()
    running = [one for _, one in sorted(reports.items()) if one.state == facts.RUNNING and one.name]
    own = [one for one in running if one.name == participant.layout.nodename]
    if not running:
        raise Refused("Not known: no broker runs that could be asked: quorate explain")
    participant.context.deadline = Deadline(participant.context.clock, SECONDS)
    return Questions(Tools(participant.context, participant.layout), (own or running)[0].name)


def ask(questions):
    """(upgrade.Held, list of what was not answered)."""
    unknown, queues, policies, deprecated = [], [], [], {}

    def answer(question, *words):
        try:
            return question(*words)
        except Unanswered as error:
            unknown.append(str(error))
            return None

    status = answer(questions.status)
    for vhost in answer(questions.vhosts) or ():
        queues += answer(questions.queues, vhost) or ()
        policies += answer(questions.policies, vhost) or ()
    if status is None or min(map(upgrade.series, status.versions.values()), default=()) >= DEPRECATED_SINCE:
        deprecated = answer(questions.deprecated) or {}
    return upgrade.Held(status, queues, policies, deprecated), unknown


def _target(to, status):
    """The series to examine. Raises Usage, Refused."""
    if to is not None:
        if upgrade.series(to) not in upgrade.UPGRADES:
            raise Usage("nothing is known about RabbitMQ %s; --to takes one of %s" % (
                to, ", ".join(map(upgrade.shown, upgrade.UPGRADES))))
        return upgrade.series(to)
    oldest = min(status.versions.values(), key=upgrade.series, default=None) if status else None
    target = oldest and upgrade.next_series(oldest)
    if target is None:
        raise Refused("Not known: nothing is known about a release behind %s; name one with --to" % (
            oldest or "the one that runs, which does not say which it is"))
    return target


def here(parameters):
    """The upgrade.Settings of this node. Raises Unreadable."""
    from quorate.rabbitmq.broker.settings.files import Files
    from quorate.rabbitmq.broker.settings.variables import Variables
    files = Files(Variables(), parameters.config)
    if files.problem:
        raise Unreadable(files.problem)
    permitted = {name[len(upgrade.PERMIT):] for name, one in files.conf.items()
                 if name.startswith(upgrade.PERMIT) and one.value == "true"}
    terms = files.terms.get("rabbit", {})
    if isinstance(terms.get("permit_deprecated_features"), dict):
        permitted |= {name for name, value in terms["permit_deprecated_features"].items() if str(value) == "true"}
    locator, _ = files.setting("queue_master_locator")
    partitions, _ = files.setting("cluster_partition_handling")
    version = files.conf.get("classic_queue.default_version")
    return upgrade.Settings(files.main, _text(partitions), frozenset(permitted), _text(locator),
                            _text(version.value if version else terms.get("classic_queue_default_version")),
                            tuple(sorted(name for name in files.conf if name.startswith(upgrade.REMOVED_SETTINGS))))


def _text(value):
    return None if value is None else str(value)
