# SPDX-License-Identifier: Apache-2.0
"""The broker's processes: found, launched, stopped with proof.

The process is an Erlang machine (beam.smp) that was told '-s rabbit boot'; its command line does not say which node it is,
so one that the agent launched is known by pid and start time, another one by what it was told in its environment.
epmd, which Erlang starts beside it, belongs to all Erlang programs of the machine and is left alone.

Which process is a broker: shared by the agent, which may end it, and the check, which only looks.
"""

import os

from quorate.host import daemon
from quorate.host.process import same_root
from quorate.ocf import codes
from quorate.ocf.codes import Failed

OPEN_FILES = 65536       # LimitNOFILE of rabbitmq-server.service
CHILDREN = ("erl_child_setup", "inet_gethost", "cpu_sup", "memsup", "beam", "erl", "rabbitmq-server")
LOG_MOST = 8192          # bytes of the log in which a last error is looked for


def is_orphan(process, sessions):
    """Whether this is what a broker left behind."""
    return os.path.basename(process.argv[0]).startswith(CHILDREN) and daemon.session(process.pid) in sessions


def find(context, state_files, nodename):
    """The broker of this node, whoever started it. Process or None."""
    return daemon.find(context, state_files, lambda process: is_broker(process, nodename))


def all_processes(context, state_files, nodename):
    """Every process of the broker: Erlang machines, their children, what is left of the session that was launched."""
    found = daemon.family(context, state_files, lambda process: is_broker(process, nodename), is_orphan)
    return [process for process in found if not process.argv or os.path.basename(process.argv[0]) != "epmd"]


def launch(context, state_files, layout, arguments=()):
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
    process = daemon.launch(context, state_files, [layout.server], layout.log, env, layout.user, 0o027)
    if process is None:
        raise Failed(codes.ERR_GENERIC, "%s ended at once: %s" % (layout.server, last_words(state_files, layout.log)))
    return process


def prepare_directories(layout):
    """Make the directories of data and log where they are missing (a new disk), owned by the broker's user."""
    import pwd
    account = pwd.getpwnam(layout.user)
    daemon.own_directories((layout.home, layout.base, os.path.dirname(layout.log)), account.pw_uid, account.pw_gid, 0o750)


def said(state_files, log):
    """The broker's own last error, or what it printed before it had a log; None: it left none, so it was probably killed."""
    from quorate.rabbitmq.broker import parse
    return parse.last_error(daemon.new_log(state_files, log, LOG_MOST)) or parse.last_error(daemon.printed(state_files)[-2048:])


def last_words(state_files, log):
    """The same in words, whatever it was."""
    return said(state_files, log) or "it left no error in %s, so it was probably killed: see 'journalctl -k'" % log


def stop(context, state_files, nodename, budget, skip_grace=False):
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

    return daemon.stop(context, lambda: all_processes(context, state_files, nodename), ask, "The broker", budget, skip_grace)


def told_name(pid):
    """RABBITMQ_NODENAME in the environment of a process; None when it has none or it cannot be seen."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            words = file.read(65536).split(b"\0")
    except OSError:
        return None
    found = [word[18:] for word in words if word.startswith(b"RABBITMQ_NODENAME=")]
    return os.fsdecode(found[0]) if found else None


def is_broker(process, nodename):
    """Whether this is the broker of that Erlang name, or one that was told none (its unit or a person started it)."""
    words = process.argv
    if not words or not os.path.basename(words[0]).startswith("beam"):
        return False
    for first, second, third in zip(words, words[1:], words[2:]):
        if (first, second, third) == ("-s", "rabbit", "boot"):
            return same_root(process.pid) and told_name(process.pid) in (None, nodename)
    return False
