# SPDX-License-Identifier: Apache-2.0
"""The command `quorate`: show the control plane, explain what the cluster decides and why, override it by name."""

import sys

from quorate.errors import Refused, Usage

USAGE = """\
usage: quorate status [--watch | --json]
       quorate explain [RESOURCE] [--json]
       quorate bootstrap NODE [--resource RESOURCE] [--force NODE]
       quorate rabbitmq boot NODE [--resource RESOURCE] [--force NODE]
       quorate rabbitmq replace NODE [--resource RESOURCE]
       quorate rabbitmq forget NODE [--resource RESOURCE]
       quorate rabbitmq upgrade-check [--to RELEASE] [--resource RESOURCE]
       quorate rabbitmq cookie
       quorate plan VERB ...
       quorate diff FILE
       quorate handover COMMAND ...

status     the whole control plane on one screen: nodes, VIPs, services in one word each, what is wrong and why,
           and what to type; --watch draws it again every 2 s. Exit code 0: all is well, 1: something is not, 2: the
           cluster cannot be asked
explain    of a database or broker: the data and state of every node and the age of its report; the decision, why it
           waits, and the next command. Of an OpenStack service: its state on this node, where it runs, whether the
           nodes use the same names, and what will cause problems later
bootstrap  order NODE to start a new primary component although the election would wait. What only the missing nodes
           hold is given up; the order is used once. It is refused while a better node has reported: --force NODE
           (the same name again) overrides that too, and gives up what only the better node holds
rabbitmq   boot: the same for RabbitMQ: NODE boots without the missing nodes. replace: the data of NODE are gone for
           good, so it joins with its empty disk as a new member. forget: remove a node that is gone for good from
           the cluster. With either, queues with their only replica there are deleted. cookie: create an Erlang
           cookie on this node where there is none. upgrade-check: ask the running cluster what stands in the way of
           the next release of RabbitMQ, or of RELEASE, and what to type. Exit code 0: nothing, 1: something, 2: it
           could not be found out
plan       check a description of the control plane, and render it for HAProxy, Pacemaker and others; see quorate
           plan --help
diff       where the running cluster, and this node's HAProxy, differ from the description FILE; each difference
           with the command that removes it. Exit code 0: no difference, 1: differences, 2: it could not be compared
handover   run COMMAND, which moves this node's VIPs (such as crm_resource --move), when no request is under way;
           new connections wait meanwhile; see quorate handover --help
"""


def main(argv):
    """Run one command. Returns the exit code: 0 done, 1 could not, 2 not understood; others as the command says."""
    from quorate.pacemaker.tools import Unavailable
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0 if argv else 2
    try:
        return _run(argv[0], argv[1:])
    except Usage as error:
        sys.stderr.write("quorate: %s\n%s" % (error, USAGE))
        return 2
    except (Unavailable, Refused) as error:
        sys.stderr.write("quorate: %s\n" % error)
        return 1


def _run(command, words):
    """The exit code of a command. Its module is imported by it alone."""
    if command == "plan":
        from quorate.cli import plan
        return plan.main(words)
    if command == "status":
        from quorate.cli import status
        return status.main(words)
    if command == "diff":
        from quorate.cli import diff
        return diff.main(words)
    if command == "handover":
        from quorate.cli import handover
        return handover.main(words)
    if command == "rabbitmq":
        from quorate.cli import rabbitmq
        code = rabbitmq.main(words)
        if code is None:
            raise Usage("not understood: quorate rabbitmq %s" % " ".join(words))
        return code
    options, names = _options(command, words)
    if command == "explain" and len(names) <= 1:
        from quorate.cli.explain import explain
        return explain(names[0] if names else None, options.get("json", False))
    if command == "bootstrap" and len(names) == 1:
        from quorate.cli import galera
        return galera.bootstrap(names[0], options.get("resource"), options.get("force"))
    raise Usage("not understood: quorate %s" % " ".join([command] + words))


def _options(command, words):
    """(dict of the options, list of the other words) of explain and bootstrap. Raises Usage."""
    options, names, words = {}, [], list(words)
    while words:
        word = words.pop(0)
        if word == "--json" and command == "explain":
            options["json"] = True
        elif word in ("--resource", "--force") and command == "bootstrap" and words:
            options[word[2:]] = words.pop(0)
        elif word.startswith("-"):
            raise Usage("unknown or incomplete option %s" % word)
        else:
            names.append(word)
    return options, names
