# SPDX-License-Identifier: Apache-2.0
"""A Galera cluster of a lab under test: made, watched, and what is asserted of it."""

import os
import random
from contextlib import contextmanager

from lab import state
from lab.faults.fault import wait_for
from lab.faults.galera import World, reasons
from lab.machines import cluster
from lab.services import galera
from lab.services.galera_watch import Watch, synced
from tests.packaged import package

SUITE = "bookworm"
LIMIT = 120  # seconds; a broken promise, not a slow machine, is what the tests look for


@contextmanager
def serving(name, nodes=None, before=None, create=galera.create, after=None, parameters=(), suite=SUITE, **how):
    """A World whose cluster serves. nodes: those that hold data (default: all); before(lab), whose result are more
    parameters, create(lab, **parameters) and after(lab) make the resource; how: for Lab.up."""
    deb = package()
    with cluster.Lab("%s-%d" % (name, os.getpid() % 1000000)) as lab:
        lab.up(suite=suite, deb=deb, **how)
        galera.prepare(lab)
        create(lab, **dict(parameters, **(before(lab) if before else {})))
        if after:
            after(lab)
        galera.wait_synced(lab, nodes)
        galera.users(lab)
        watch = Watch(lab, galera.USER, galera.password_file(lab))
        try:
            yield World(lab, watch, random.Random(1), print, [])
        finally:
            watch.close()


def assert_whole(world, nodes=None, limit=LIMIT):
    """Wait until the servers of all (or of `nodes`) are synced in one primary component."""
    wanted = list(nodes or world.nodes)
    took = world.watch.wait_until(lambda observed: synced(observed, wanted), limit)
    assert took is not None, "not whole: %s; %s" % (world.watch.observed, reasons(world))


def assert_lost(world, nodes):
    """Wait until what was done to the servers of `nodes` shows: whole is not whole any more."""
    assert world.watch.wait_until(lambda observed: not synced(observed, nodes), LIMIT) is not None


def text(world, node, argv):
    """What a command on `node` prints, whatever its exit code."""
    done = world.lab.run(node, argv, 30)
    return done.out + done.err


def eventually(world, node, argv, *words):
    """Wait until the output of a command contains all words; the output."""
    found = [""]

    def there():
        found[0] = text(world, node, argv)
        return all(word in found[0] for word in words)

    assert wait_for(there, LIMIT, 1), "%s does not show %s:\n%s" % (argv, words, found[0])
    return found[0]


def power_log(world):
    with open(os.path.join(state.directory(world.lab.name), "power.log"), encoding="utf-8") as file:
        return file.read()
