# SPDX-License-Identifier: Apache-2.0
"""The verbs of `lab` that inject a fault or end it: lab/faults/machine.py on the command line."""

from lab.faults import machine
from lab.machines import cluster


def add(verb):
    """Add them to the command line. verb(name, function, text): makes the parser of one."""
    for name, text in (("kill", "send SIGKILL to a node's processes of that name"),
                       ("stop", "send SIGSTOP; without a pattern to the whole node"), ("cont", "end stop")):
        one = verb(name, _signal, text)
        one.set_defaults(what=name)
        one.add_argument("node")
        one.add_argument("pattern", nargs=None if name == "kill" else "?",
                         help="name of a program, or part of its arguments")
    one = verb("partition", _partition, "cut nodes off from all others, but not from each other, until heal")
    one.add_argument("nodes", nargs="+")
    one = verb("heal", _heal, "end partition")
    one.add_argument("nodes", nargs="*")
    for name, function, text in (("fill-disk", _fill_disk,
                                  "use up all space on the disk with the node's data (needs lab up --disk)"),
                                 ("free-disk", _free_disk, "end fill-disk"),
                                 ("fast-net", _fast_net, "end slow-net"),
                                 ("fast-disk", _fast_disk, "end slow-disk")):
        verb(name, function, text).add_argument("node")
    one = verb("slow-net", _slow_net, "delay every frame to and from a node, and lose some of them")
    one.add_argument("node")
    one.add_argument("delay", type=float, help="milliseconds")
    one.add_argument("loss", type=float, nargs="?", default=0.0, help="per cent")
    one = verb("slow-disk", _slow_disk, "limit what a node's processes write")
    one.add_argument("node")
    one.add_argument("rate", type=int, nargs="?", default=1024, help="KiB a second (1024)")
    one.add_argument("operations", type=int, nargs="?", default=50, help="operations a second (50)")
    one = verb("clock", _clock, "set a node's clock ahead, for every process that starts from now on; 0 ends it")
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
    print("%d MB taken, no space is left" % (machine.fill_disk(cluster.Lab(options.name), options.node) >> 20))


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
