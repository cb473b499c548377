# SPDX-License-Identifier: Apache-2.0
"""The verbs of `lab` that do something bad on purpose, and take it away again: lab/faults/machine.py at the prompt."""

from lab.faults import machine
from lab.machines import cluster


def add(verb):
    """Add them to the command line. verb(name, function, text): makes the parser of one."""
    for name, text in (("kill", "SIGKILL to a node's processes of that name"),
                       ("stop", "SIGSTOP; without a pattern the whole node hangs"), ("cont", "the end of stop")):
        one = verb(name, _signal, text)
        one.set_defaults(what=name)
        one.add_argument("node")
        one.add_argument("pattern", nargs=None if name == "kill" else "?", help="a program, or part of its arguments")
    one = verb("partition", _partition, "cut nodes off from the others, not from each other, until heal")
    one.add_argument("nodes", nargs="+")
    one = verb("heal", _heal, "the end of partition")
    one.add_argument("nodes", nargs="*")
    for name, function, text in (("fill-disk", _fill_disk, "use up the disk with the node's data (lab up --disk)"),
                                 ("free-disk", _free_disk, "the end of fill-disk"),
                                 ("fast-net", _fast_net, "the end of slow-net"),
                                 ("fast-disk", _fast_disk, "the end of slow-disk")):
        verb(name, function, text).add_argument("node")
    one = verb("slow-net", _slow_net, "delay every frame to and from a node, lose some")
    one.add_argument("node")
    one.add_argument("delay", type=float, help="milliseconds")
    one.add_argument("loss", type=float, nargs="?", default=0.0, help="per cent")
    one = verb("slow-disk", _slow_disk, "limit what a node's processes write")
    one.add_argument("node")
    one.add_argument("rate", type=int, nargs="?", default=1024, help="KiB a second (1024)")
    one.add_argument("operations", type=int, nargs="?", default=50, help="operations a second (50)")
    one = verb("clock", _clock, "set a node's clock ahead for all that starts from now on; 0 ends it")
    one.add_argument("node")
    one.add_argument("seconds", type=int)


def _signal(options):
    """lab kill, stop, cont"""
    for argv in getattr(machine, options.what)(cluster.Lab(options.name), options.node, options.pattern):
        print(" ".join(argv)[:100])


def _partition(options):
    """lab partition"""
    machine.partition(cluster.Lab(options.name), *options.nodes)


def _heal(options):
    """lab heal"""
    machine.heal(cluster.Lab(options.name), *options.nodes)


def _fill_disk(options):
    """lab fill-disk"""
    print("%d MB taken, nothing is left" % (machine.fill_disk(cluster.Lab(options.name), options.node) >> 20))


def _free_disk(options):
    """lab free-disk"""
    machine.free_disk(cluster.Lab(options.name), options.node)


def _slow_net(options):
    """lab slow-net"""
    machine.slow_net(cluster.Lab(options.name), options.node, options.delay / 1000, options.loss)


def _fast_net(options):
    """lab fast-net"""
    machine.fast_net(cluster.Lab(options.name), options.node)


def _slow_disk(options):
    """lab slow-disk"""
    machine.slow_disk(cluster.Lab(options.name), options.node, options.rate << 10, options.operations)


def _fast_disk(options):
    """lab fast-disk"""
    machine.fast_disk(cluster.Lab(options.name), options.node)


def _clock(options):
    """lab clock"""
    machine.clock(cluster.Lab(options.name), options.node, options.seconds)
