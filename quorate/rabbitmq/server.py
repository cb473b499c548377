# SPDX-License-Identifier: Apache-2.0
"""The broker's processes: found, launched, stopped with proof.

The process is an Erlang machine (beam.smp) that was told '-s rabbit boot'; its command line does not say which node it is,
so one that the agent launched is known by pid and start time, another one by what it was told in its environment.
epmd, which Erlang starts beside it, belongs to all Erlang programs of the machine and is left alone.
"""

import os

from quorate.host import daemon
from quorate.host.daemon import HOPELESS_PATIENCE, NOTE, noted
from quorate.ocf import codes
from quorate.ocf.agent import Failed
from quorate.rabbitmq.process import is_broker

OPEN_FILES = 65536       # LimitNOFILE of rabbitmq-server.service
CHILDREN = ("erl_child_setup", "inet_gethost", "cpu_sup", "memsup", "beam", "erl", "rabbitmq-server")
LOG_MOST = 8192          # bytes of the log in which a last error is looked for


def is_orphan(process, sessions):
    """Whether this is what a broker left behind."""
    return os.path.basename(process.argv[0]).startswith(CHILDREN) and daemon.session(process.pid) in sessions


def find(context, memory, nodename):
    """The broker of this node, whoever started it. Process or None."""
    return daemon.find(context, memory, lambda process: is_broker(process, nodename))


def remains(context, memory, nodename):
    """Every process of the broker: Erlang machines, their children, what is left of the session that was launched."""
    found = daemon.family(context, memory, lambda process: is_broker(process, nodename), is_orphan)
    return [process for process in found if not process.argv or os.path.basename(process.argv[0]) != "epmd"]


def launch(context, memory, layout, arguments=()):
    """Start the broker, with these words more for the Erlang machine. Returns its Process. Raises Failed."""
    prepare_directories(layout)
    # The script then replaces itself by the Erlang machine, as under its unit, instead of waiting beside it: no process in
    # between that could live on, and the pid is the broker's. Nothing is notified: that takes a socket.
    env = dict(layout.environment(), RUNNING_UNDER_SYSTEMD="true", OCF_ROOT=None, NOTIFY_SOCKET=None, LC_ALL="C.UTF-8")
    if arguments:
        env["RABBITMQ_SERVER_START_ARGS"] = " ".join(arguments)
    if context.parameters.config:
        env["RABBITMQ_CONFIG_FILE"] = layout.config
    if context.parameters.datadir:
        env["RABBITMQ_MNESIA_BASE"] = layout.base
    context.log.say("Starting %s as %s%s" % (layout.server, layout.nodename, " ".join(("",) + tuple(arguments))))
    daemon.allow_open_files(OPEN_FILES)
    process = daemon.launch(context, memory, [layout.server], layout.log, env, layout.user, 0o027)
    if process is None:
        raise Failed(codes.ERR_GENERIC, "%s ended at once: %s" % (layout.server, last_words(memory, layout.log)))
    return process


def prepare_directories(layout):
    """Make the directories of data and log where they are missing (a new disk), owned by the broker's user."""
    import pwd
    account = pwd.getpwnam(layout.user)
    daemon.own_directories((layout.home, layout.base, os.path.dirname(layout.log)), account.pw_uid, account.pw_gid, 0o750)


def said(memory, log):
    """The broker's own last error, or what it printed before it had a log; None: it left none, so it was probably killed."""
    from quorate.rabbitmq import read
    return read.last_error(daemon.new_log(memory, log, LOG_MOST)) or read.last_error(daemon.printed(memory)[-2048:])


def last_words(memory, log):
    """The same in words, whatever it was."""
    return said(memory, log) or "it left no error in %s, so it was probably killed: see 'journalctl -k'" % log


def stop(context, memory, nodename, budget, hopeless=False):
    """Stop the broker and its children, within `budget` seconds. Returns what is still there (empty: done).

    RabbitMQ stops in good order on SIGTERM (rabbit_prelaunch_sighandler.erl), as on `rabbitmqctl stop`, which would cost an
    Erlang machine more.
    """
    def ask(processes):
        for process in processes:
            if process.argv and os.path.basename(process.argv[0]).startswith("beam"):
                daemon.signal(context, process, daemon.SIGTERM)
                daemon.signal(context, process, daemon.SIGCONT)  # stopped by SIGSTOP, it could not even hear the first
                context.log.say("Sent SIGTERM to pid %d (%s)." % (process.pid, process.argv[0]))

    return daemon.stop(context, lambda: remains(context, memory, nodename), ask, "The broker", budget, hopeless)


__all__ = ["HOPELESS_PATIENCE", "NOTE", "find", "is_broker", "last_words", "launch", "noted", "remains", "said", "stop"]
