# SPDX-License-Identifier: Apache-2.0
"""The `lab` command."""

import argparse
import os
import signal
import sys
import time

from lab import LabError, state
from lab.faults import verbs
from lab.images import base, sources
from lab.machines import cluster, machine, names, power, requirements, teardown


def main(argv):
    """Run one verb; the exit code. 1: it failed, and one sentence on standard error says why."""
    if argv[:1] == ["_power"]:
        return power.main(argv[1], int(argv[2]))
    options = parser().parse_args(argv)
    try:
        return options.verb(options) or 0
    except LabError as error:
        sys.stderr.write("lab: %s\n" % error)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("lab: interrupted\n")
        return 130


def parser():
    """The command line."""
    top = argparse.ArgumentParser(prog="lab", description="A real cluster on one machine. See lab/README.md.")
    parsers = top.add_subparsers(metavar="VERB", required=True)

    def verb(name, function, text):
        one = parsers.add_parser(name, help=text, description=text)
        one.add_argument("--name", default=os.environ.get("QUORATE_LAB", "lab"), help="which lab ($QUORATE_LAB or lab)")
        one.set_defaults(verb=function)
        return one

    one = verb("build", do_build, "make the image of a suite, cached")
    one.add_argument("--suite", choices=sources.SUITES, default="bookworm")
    one.add_argument("--force", action="store_true", help="build it even if it is cached")
    one = verb("up", do_up, "make and start a lab, and wait until its nodes are online in Pacemaker")
    one.add_argument("--suite", choices=sources.SUITES, default="bookworm")
    one.add_argument("--nodes", type=int, default=3, help="1 to %d" % names.MOST_NODES)
    one.add_argument("--deb", help="our package, to be installed in every node")
    one.add_argument("--no-fencing", action="store_true")
    one.add_argument("--disk", action="store_true", help="give each node a disk of its own for its data, for fill-disk")
    one.add_argument("--owner", type=int, default=0, help="pid of a process; when it ends, the lab is removed")
    one.add_argument("--openstack", choices=("services", "consoleauth"), nargs="?", const="services",
                     help="add Debian's keystone, cinder, heat and console proxy; consoleauth: also nova-consoleauth")
    one.add_argument("--foreground", action="store_true",
                     help="do not return; the end of this command, or Ctrl-C, removes the lab")
    verb("down", do_down, "shut the nodes down in good order, keep their disks")
    verb("destroy", do_destroy, "cut the power and remove all that the lab made")
    verb("prune", do_prune, "remove what is left of labs that ended without down or destroy")
    verb("list", do_list, "the labs on this machine")
    verb("status", do_status, "the nodes, their state in Pacemaker, and where each resource runs")
    one = verb("shell", do_shell, "open a shell in a node")
    one.add_argument("node")
    one = verb("run", do_run, "run a command in a node")
    one.add_argument("--timeout", type=float)
    one.add_argument("node")
    one.add_argument("command", nargs=argparse.REMAINDER)
    one = verb("client", do_client, "run a command on this machine, in the lab's network")
    one.add_argument("command", nargs=argparse.REMAINDER)
    one = verb("power-cut", do_power_cut, "cut the power of nodes; the cluster's fencing switches them on again")
    one.add_argument("nodes", nargs="+")
    one.add_argument("--stay-off", action="store_true", help="only power-on switches them on again")
    one = verb("power-on", do_power_on, "switch nodes on (default: all that are off)")
    one.add_argument("nodes", nargs="*")
    one = verb("fence-hold", do_fence_hold, "on: a node that the cluster fences stays off; refuse: fencing fails")
    one.add_argument("state", choices=("on", "off", "refuse"), nargs="?", default="on")
    one = verb("galera", do_galera, "the database: configuration, resource, application's user, state")
    one.add_argument("step", choices=("prepare", "create", "wait", "users", "status"))
    one.add_argument("--sst", default="rsync", choices=("rsync", "mariabackup"))
    one.add_argument("--agent", default="ocf:quorate:galera")
    one = verb("openstack", do_openstack,
               "keystone, cinder and heat on the lab's database and broker (needs lab up --openstack)")
    one.add_argument("step", choices=("prepare", "status"))
    verb("haproxy", do_haproxy, "HAProxy on every node, and a VIP")
    verbs.add(verb)
    return top


def do_build(options):
    """lab build"""
    requirements.check_able()
    base.build(options.suite, base.printer(), force=options.force)


def do_up(options):
    """lab up"""
    lab = cluster.Lab(options.name)
    say = base.printer()
    owner = os.getpid() if options.foreground else options.owner
    given = dict(suite=options.suite, count=options.nodes, deb=options.deb, owner=owner, fencing=not options.no_fencing,
                 disk=options.disk, say=say)
    if options.openstack and state.read(lab.name) is None:
        from lab.images import openstack
        given["layers"] = openstack.ensure(options.openstack, say, options.suite)
    if not options.foreground:
        _up_and_leave(lab, given)
        return
    if state.read(lab.name) is not None:
        raise LabError("lab %s exists already; `lab destroy --name %s` removes it" % (lab.name, lab.name))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        lab.up(**given)
        say("lab %s is up; Ctrl-C removes it" % lab.name)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        say("removing lab %s" % lab.name)
    finally:
        lab.destroy()


def _up_and_leave(lab, given):
    """Bring it up and return. Interrupted or killed it leaves nothing. A lab that does not get ready stays, for
    diagnosis."""
    new = state.read(lab.name) is None
    if new and not given["owner"]:
        given = dict(given, owner=os.getpid())
        after = "disown"
    else:
        after = "pid"
    try:
        lab.up(**given)
    except KeyboardInterrupt:
        if new:
            lab.destroy()
        raise
    except LabError:
        if state.read(lab.name) is not None:
            power.ask(lab.name, after)
        raise
    power.ask(lab.name, after)


def do_down(options):
    """lab down"""
    cluster.Lab(options.name).down(base.printer())


def do_destroy(options):
    """lab destroy"""
    cluster.Lab(options.name).destroy()


def do_prune(options):
    """lab prune"""
    for name in state.names():
        with state.Lock():
            record = state.read(name) or {}
        if not (record.get("kept") or state.alive(record.get("daemon")) or state.alive(record.get("maker"))):
            teardown.remove_what_was_made(name)
            print("removed what was left of lab %s" % name)
    base.forget_scratch()


def do_list(options):
    """lab list"""
    for name in state.names():
        record = state.read(name) or {}
        up = "up" if state.alive(record.get("daemon")) else "down"
        print("%-16s %-5s %-9s %d nodes  %s" % (name, up, record.get("suite", "?"), len(record.get("nodes", [])),
                                                record.get("subnet", "?")))


def do_status(options):
    """lab status"""
    lab = cluster.Lab(options.name)
    status = lab.cluster_xml()
    known = {} if status is None else {one.get("name"): one for one in status.findall("./nodes/node")}
    for node in lab.nodes:
        one = known.get(node.name)
        text = "no answer" if status is None else "unknown"
        if one is not None:
            text = "online" if one.get("online") == "true" else "OFFLINE"
        if one is not None and one.get("unclean") == "true":
            text += " UNCLEAN"
        if one is not None and one.get("is_dc") == "true":
            text += " (DC)"
        memory, cpu = lab.cgroup_memory(node.name), lab.cgroup_cpu(node.name)
        print("%-3s %-14s power %-4s pacemaker %-14s %5s MB %7s s CPU" % (
            node.name, node.address, "on" if machine.pid_of(lab.name, node.name) else "OFF", text,
            "-" if memory is None else memory >> 20, "-" if cpu is None else "%.1f" % cpu))
    for one in (status.iter("resource") if status is not None else ()):
        where = " ".join(at.get("name") for at in one.findall("node"))
        failed = " FAILED" if one.get("failed") == "true" else ""
        print("    %-20s %-12s %s%s" % (one.get("id"), one.get("role"), where, failed))


def do_shell(options):
    """lab shell"""
    return _in_node(cluster.Lab(options.name), options.node, ["/bin/bash", "-l"],
                    {"TERM": os.environ.get("TERM", "dumb")})


def do_run(options):
    """lab run"""
    if not options.command:
        raise LabError("no command was given; type: lab run %s COMMAND ..." % options.node)
    return _in_node(cluster.Lab(options.name), options.node, options.command, {})


def _in_node(lab, node, command, environment):
    import subprocess
    pid = machine.pid_of(lab.name, node)
    if pid is None:
        raise LabError("node %s is off; `lab power-on --name %s %s` starts it" % (node, lab.name, node))
    environment = dict(machine.ENVIRONMENT, **environment)
    return subprocess.call(machine.entry(lab.name, node, pid, command), env=environment, cwd="/")


def do_client(options):
    """lab client"""
    import subprocess
    lab = cluster.Lab(options.name)
    lab.record  # raises where there is no such lab
    return subprocess.call(lab.client(options.command or [os.environ.get("SHELL", "/bin/sh")]))


def do_power_cut(options):
    """lab power-cut"""
    cluster.Lab(options.name).power_cut(*options.nodes, stay_off=options.stay_off)


def do_power_on(options):
    """lab power-on"""
    cluster.Lab(options.name).power_on(*options.nodes)


def do_fence_hold(options):
    """lab fence-hold"""
    lab = cluster.Lab(options.name)
    lab.fence_refuse(options.state == "refuse")
    lab.fence_hold(options.state == "on")


def do_galera(options):
    """lab galera"""
    from lab.services import galera
    lab = cluster.Lab(options.name)
    if options.step == "prepare":
        galera.prepare(lab, options.sst)
    elif options.step == "create":
        galera.create(lab, options.agent, say=print)
    elif options.step == "wait":
        print("synced after %.1f s" % galera.wait_synced(lab))
    elif options.step == "users":
        galera.users(lab)
        print("user %s, password in %s" % (galera.USER, galera.password_file(lab)))
    else:
        for name, server in galera.ask_all(lab).items():
            print("%-3s %-12s %d members, %d sessions" % (name, server.state, server.size, server.sessions))


def do_haproxy(options):
    """lab haproxy"""
    from lab.services import haproxy
    haproxy.set_up(cluster.Lab(options.name), say=print)


def do_openstack(options):
    """lab openstack"""
    from lab.services.openstack import deployment
    lab = cluster.Lab(options.name)
    if options.step == "prepare":
        deployment.prepare(lab, base.printer())
    else:
        print("\n".join(deployment.status(lab)))
