# SPDX-License-Identifier: Apache-2.0
"""Instances of one service on one node, as real processes: each resource finds its own, and ends no other. How a command
line names a configuration is that of oslo.config (cfg.py: find_config_files, os.path.abspath)."""

import os
import pwd
import subprocess
import sys

import pytest

from quorate.host.clock import Clock, Deadline
from quorate.host.command import Commands
from quorate.host.process import Processes
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.context import Context
from quorate.ocf.declaration import read_all
from quorate.openstack import catalog
from quorate.openstack.actions import monitor, stop
from quorate.openstack.declaration import parameters
from quorate.openstack.service import observe
from quorate.openstack.service.sources import Sources
from tests.fakes import FakeLog

PROGRAM = """#!%s
import signal, sys
sys.stdout.write("ready\\n")
sys.stdout.flush()
signal.pause()
"""

class NoUnits(Sources):
    """A machine without systemd."""

    def __init__(self, commands):
        Sources.__init__(self, commands)
        self.units._root = "/nonexistent"


class Node:
    """Files, programs and processes. The usual configuration of the service is etc/cinder/cinder.conf here."""

    def __init__(self, directory):
        self.directory, self.started, self.service = directory, [], catalog.CINDER_VOLUME._replace(
            config=str(directory / "etc/cinder/cinder.conf"))
        for name in ("etc/cinder/cinder.conf", "etc/cinder/nfs.conf", "etc/cinder-b/cinder.conf"):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text("[DEFAULT]\nenabled_backends=a\n")
        (directory / "srv").symlink_to(directory / "etc/cinder")
        (directory / "link.conf").symlink_to(directory / "etc/cinder/nfs.conf")
        self.program = directory / "cinder-volume"
        self.program.write_text(PROGRAM % sys.executable)
        self.program.chmod(0o755)

    def start(self, *words, cwd=None):
        one = subprocess.Popen([str(self.program), *[word.format(d=self.directory) for word in words]], cwd=cwd,
                               stdout=subprocess.PIPE, start_new_session=True)
        self.started.append(one)
        assert b"ready\n" == one.stdout.readline()
        return one.pid

    def alive(self):
        return {one.pid for one in self.started if one.poll() is None}

    def context(self, config, action="monitor"):
        environ = {"OCF_RESOURCE_INSTANCE": "test", "OCF_RESKEY_CRM_meta_on_node": "n1",
                   "OCF_RESKEY_config": str(config).format(d=self.directory),
                   "OCF_RESKEY_user": pwd.getpwuid(os.geteuid()).pw_name}
        typed, problems = read_all(parameters(self.service), environ)
        assert not problems
        clock = Clock()
        return Context(typed, action, environ, FakeLog(), Commands(environ), Processes(), clock, Deadline(clock, 30.0))

    def found(self, config):
        """Those of our processes that a resource with this configuration takes for its own."""
        context = self.context(config)
        pids = {one.pid for one in observe.find_processes(context, self.service, NoUnits(context.commands))}
        return pids & {one.pid for one in self.started}

    def run(self, action, config):
        context = self.context(config, action.__name__.rpartition(".")[2])
        function = getattr(action, action.__name__.rpartition(".")[2])
        return function(context, self.service, StateFiles("cinder-volume", "test", str(self.directory / "run")),
                        NoUnits(context.commands))


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path)
    yield made
    for one in made.started:
        one.kill()
        one.wait(60)
        one.stdout.close()


USUAL, NFS, OTHER = "{d}/etc/cinder/cinder.conf", "{d}/etc/cinder/nfs.conf", "{d}/etc/cinder-b/cinder.conf"


@pytest.mark.parametrize("words, cwd, config", [
    (["--config-file={d}/etc/cinder/nfs.conf"], None, NFS), (["--config-file", "{d}/link.conf"], None, NFS),
    (["--config-file", "{d}/etc/cinder/nfs.conf"], None, "{d}/link.conf"),
    (["--config-file", "{d}/srv/nfs.conf"], None, NFS), (["--config-file", "{d}/etc//cinder/nfs.conf"], None, NFS),
    (["--config-file", "{d}/etc/cinder-b/../cinder/nfs.conf"], None, NFS), (["--config-file=cinder/nfs.conf"], "etc", NFS),
    (["--config-file", "./nfs.conf"], "etc/cinder", "{d}/link.conf"),
    (["--config-file={d}/x.conf", "--config-file={d}/etc/cinder/nfs.conf", "--log-file=y"], None, NFS),
    ([], None, USUAL), (["--log-file={d}/x"], None, USUAL), ([], None, "{d}/srv/cinder.conf"),
    (["--config-dir={d}/etc/cinder-b"], None, OTHER), (["--config-dir", "cinder-b"], "etc", OTHER),
    (["--config-file={d}/etc/cinder-b/cinder.conf"], None, OTHER)])
def test_each_resource_finds_its_own_process_and_no_other(node, words, cwd, config):
    pid = node.start(*words, cwd=node.directory / cwd if cwd else None)

    assert {pid} == node.found(config), "one of ours is missed: a stop would say that nothing runs"
    for another in {NFS, OTHER, USUAL} - {config}:
        if (config, another) not in (("{d}/link.conf", NFS), ("{d}/srv/cinder.conf", USUAL), (OTHER, USUAL)):
            assert set() == node.found(another), "a process of another instance would be killed"


def test_a_stop_ends_its_own_instance_and_no_other(node):
    usual, own, other = node.start(), node.start("--config-file={d}/link.conf"), node.start("--config-file=" + OTHER)

    assert codes.SUCCESS == node.run(stop, NFS).code and {usual, other} == node.alive() and own not in node.alive()
    assert codes.NOT_RUNNING == node.run(monitor, NFS).code
    assert codes.SUCCESS == node.run(stop, NFS).code and {usual, other} == node.alive()
    assert codes.SUCCESS == node.run(stop, USUAL).code and {other} == node.alive()


@pytest.mark.parametrize("words, config, ours", [
    ("--config-file=" + NFS, NFS, True), ("--config-file=" + NFS, USUAL, False), ("", USUAL, True), ("", NFS, False)])
def test_a_child_that_has_renamed_itself_is_of_its_parent_s_instance(node, words, config, ours):
    """setproctitle overwrites the command line."""
    node.program.write_text("#!%s\nimport signal, subprocess, sys\n"
                            "child = subprocess.Popen(['cinder-volume: worker'], executable='/bin/cat', stdin=subprocess.PIPE)\n"
                            "sys.stdout.write('ready\\n')\nsys.stdout.flush()\nsignal.pause()\n" % sys.executable)
    pid = node.start(*[words] if words else [])
    child = next(one for one in Processes().descendants(pid))
    context = node.context(config)
    try:
        found = {one.pid for one in observe.find_processes(context, node.service, NoUnits(context.commands))}
        assert ({pid, child.pid} if ours else set()) == found & {pid, child.pid}
    finally:
        Processes().signal(child, 9)
