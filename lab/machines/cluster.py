# SPDX-License-Identifier: Apache-2.0
"""Lab: a whole cluster as one object, for the `lab` command, the tests, the demo and the benchmarks.

    with Lab("mine") as lab:               # removed at the end, also when this process is killed
        lab.up(say=print)
        lab.run("n1", ["pcs", "status"])
"""

import os
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree

from lab import ROOT, LabError, quiet, state
from lab.images import package
from lab.images.base import build, ensure_tools
from lab.machines import cgroups, machine, names, network, power, requirements, stack, teardown

UP_TIMEOUT = 90.0
_STUB = os.path.join(ROOT, "lab", "lab")


class Lab:
    """Lab `name`, which may not exist yet. As a context manager it removes at the end what it made, whatever happens;
    then `up` refuses a lab that existed before, so that nobody's work is removed by mistake."""

    def __init__(self, name="lab"):
        self.name = names.check_name(name)
        self._owned = self._made = False

    # -- what is known of it

    @property
    def record(self):
        """Its record, a dict (lab/state.py). LabError if it does not exist."""
        found = state.read(self.name)
        if found is None:
            raise LabError("there is no lab %s; `lab up --name %s` makes one" % (self.name, self.name))
        return found

    @property
    def nodes(self):
        """Its nodes, a list of names.Node."""
        return [names.Node(*node) for node in self.record.get("nodes", [])]

    @property
    def node_names(self):
        """n1, n2, ..."""
        return [node.name for node in self.nodes]

    @property
    def suite(self):
        """bookworm or trixie."""
        return self.record["suite"]

    @property
    def namespace(self):
        """The network namespace of the clients, as `ip netns` names it."""
        return names.network_namespace(self.name)

    @property
    def vip(self):
        """An address in the lab's network that no node has, for an IPaddr2 resource."""
        return names.address(self.record["subnet"], names.VIP)

    def address(self, node):
        """The address of `node`."""
        return next(known.address for known in self.nodes if known.name == node)

    # -- up, down, destroy

    def __enter__(self):
        self._owned = True
        return self

    def __exit__(self, *exc):
        if self._made:
            self.destroy()

    def up(self, suite="bookworm", count=3, deb=None, owner=None, fencing=True, say=quiet, timeout=UP_TIMEOUT,
           disk=False, layers=()):
        """Make the lab unless it exists, switch on the nodes that are off, and wait until Pacemaker has all of them
        online.

        `deb`: path of our package. `owner`: pid of a process whose end removes the lab (this one's inside `with`).
        `disk`: each node gets a disk of its own for /var/lib/mysql and /var/lib/rabbitmq, which can then be full.
        `layers`: between the image and our package, topmost first, such as those of lab/images/openstack.py.
        """
        requirements.check_able()
        ensure_tools(say)
        started = time.monotonic()
        if state.read(self.name) is None:
            base = build(suite, say)
            lower = ([package.of_package(suite, deb, say, layers)] if deb else []) + list(layers) + [base]
            self._make(suite, count, lower, deb, fencing, disk)
            self._made = True
            say("lab %s: %d nodes of %s, network %s" % (self.name, count, suite, self.record["subnet"]))
        elif self._owned and not self._made:
            raise LabError("lab %s exists already; `lab destroy --name %s` removes it" % (self.name, self.name))
        self._start_daemon(owner or (os.getpid() if self._owned else 0))
        for node in self.node_names:
            power.ask(self.name, "on " + node)
        say("nodes are starting")
        self.wait_online(timeout=timeout)
        say("%d nodes online in Pacemaker after %.1f s" % (len(self.nodes), time.monotonic() - started))
        return self

    def _make(self, suite, count, lower, deb, fencing, disk):
        template = package.disk_template(lower[-1]) if disk else None
        with state.Lock():
            if state.read(self.name) is not None:
                raise LabError("lab %s is being made by another process" % self.name)
            taken = network.routes_of_host()
            taken += [record["subnet"] for record in map(state.read, state.names()) if record and "subnet" in record]
            subnet = names.subnet_of(self.name, taken)
            members = names.nodes(subnet, count)
            if network.exists(self.namespace):
                raise LabError("network namespace %s exists and no lab has it on record; see `ip netns`"
                               % self.namespace)
            if any(os.path.exists(path) for path in cgroups.paths(names.cgroup(self.name))):
                raise LabError("control group %s exists and no lab has it on record" % names.cgroup(self.name))
            base = state.directory(self.name)
            os.mkdir(base, 0o711)
            state.write(self.name, {"suite": suite, "subnet": subnet, "nodes": members, "lower": lower, "deb": deb,
                                    "netns": self.namespace, "cgroup": names.cgroup(self.name), "made": time.time(),
                                    "maker": state.identify(os.getpid())})
        try:
            os.mkdir(os.path.join(base, "fence"), 0o700)
            network.create(self.namespace, subnet)
            common = stack.files_for_all(self.name, subnet, members)
            if not fencing:
                common["var/lib/pacemaker/cib/cib.xml"] = (stack.cib(self.name, members, False), 0o600, "hacluster")
            for node in members:
                own = dict(common, **stack.files_for(node, subnet))
                machine.make_own(self.name, node.name, lower[-1], own, template)
        except BaseException:
            teardown.remove_what_was_made(self.name)
            raise

    def _start_daemon(self, owner):
        if state.alive(self.record.get("daemon")):
            return
        log = open(os.path.join(state.directory(self.name), "power.log"), "ab")
        with log:
            process = subprocess.Popen(["/usr/bin/python3", _STUB, "_power", self.name, str(owner)], cwd="/",
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._add_to_record(daemon=state.identify(process.pid), kept=False)
        self._await(lambda: self._answers(), 10, "the power daemon did not start; see %s/power.log"
                    % state.directory(self.name), every=0.02)

    def _answers(self):
        try:
            return power.ask(self.name, "pid")
        except LabError:
            return False

    def down(self, say=quiet):
        """Shut all nodes down. What they wrote is kept; `up` starts them again."""
        if not state.alive(self.record.get("daemon")):
            return
        for node in self.node_names:
            power.ask(self.name, "shutdown " + node)
        say("nodes are shutting down")
        end = time.monotonic() + power.SHUTDOWN_TIMEOUT
        while time.monotonic() < end and any(power.ask(self.name, "status " + n) == "on" for n in self.node_names):
            time.sleep(0.1)
        self._end_daemon()
        self._add_to_record(kept=True)

    def _add_to_record(self, **fields):
        state.write(self.name, dict(self.record, **fields))

    def _end_daemon(self):
        daemon = self.record.get("daemon")
        try:
            power.ask(self.name, "quit")
        except LabError:
            pass
        end = time.monotonic() + 20
        while state.alive(daemon) and time.monotonic() < end:
            time.sleep(0.02)
        if state.alive(daemon):
            os.kill(daemon["pid"], signal.SIGKILL)

    def destroy(self):
        """Cut the power of all nodes and remove everything that this lab made. Nothing if there is no such lab."""
        if state.read(self.name) is None:
            return
        if state.alive(self.record.get("daemon")):
            self._end_daemon()
        teardown.remove_what_was_made(self.name)

    # -- at work

    def run(self, node, argv, timeout=60.0, stdin=None, env=None):
        """Run `argv` (a list, or a text for the shell) in `node` as root; machine.Result (rc None: killed at the
        timeout)."""
        if isinstance(argv, str):
            argv = ["/bin/sh", "-c", argv]
        return machine.run(self.name, node, argv, timeout, stdin, env)

    def check(self, node, argv, timeout=60.0, **more):
        """The standard output of a command as `run` runs it. LabError unless it ended with 0."""
        done = self.run(node, argv, timeout, **more)
        if done.rc != 0:
            output = (done.err.strip() or done.out.strip() or "no output").splitlines()
            what = argv if isinstance(argv, str) else " ".join(argv)
            how = "a timeout" if done.rc is None else done.rc
            raise LabError("%s on %s ended with %s: %s" % (what, node, how, " / ".join(output[-3:])))
        return done.out

    def popen(self, node, argv, **more):
        """A Popen of `argv` in `node`, for what runs in the background."""
        pid = machine.pid_of(self.name, node)
        if pid is None:
            raise LabError("node %s is off" % node)
        more.setdefault("env", machine.ENVIRONMENT)
        more.setdefault("start_new_session", True)
        return subprocess.Popen(machine.entry(self.name, node, pid, argv), cwd="/", **more)

    def client(self, argv):
        """The command line that runs `argv` on the client's host: this machine, but in the lab's network."""
        return ["nsenter", "--net=/run/netns/" + self.namespace] + list(argv)

    def is_on(self, node):
        """Whether `node` has power."""
        return power.ask(self.name, "status " + node) == "on"

    def power_on(self, *nodes):
        """Switch on `nodes`, all that are off if none is named."""
        for node in nodes or self.node_names:
            power.ask(self.name, "on " + node)

    def power_cut(self, *nodes, stay_off=False):
        """Cut the power of `nodes`. Fencing or power_on switches them on again; with `stay_off` only power_on does."""
        for node in nodes:
            power.ask(self.name, ("stay-off " if stay_off else "off ") + node)

    def fence_hold(self, on=True):
        """While this is on, a node that the cluster fences stays off until power_on."""
        power.ask(self.name, "hold " + ("on" if on else "off"))

    def fence_refuse(self, on=True):
        """While this is on, fencing fails, as with a broken device."""
        power.ask(self.name, "refuse " + ("on" if on else "off"))

    def cgroup_cpu(self, node):
        """CPU seconds that the whole of `node` has used since it was switched on; None if unknown."""
        return cgroups.cpu_seconds(machine.group(self.name, node))

    def cgroup_memory(self, node):
        """Bytes of memory that the processes of `node` hold; None if unknown."""
        return cgroups.memory_bytes(machine.group(self.name, node))

    # -- the cluster

    def cluster_xml(self, node=None, timeout=15.0):
        """What crm_mon prints on `node`, or on the first node that answers, as an ElementTree element; None if no node
        does."""
        for name in [node] if node else self.node_names:
            if machine.pid_of(self.name, name) is None:
                continue
            try:
                done = self.run(name, ["crm_mon", "--output-as=xml", "-1"], timeout)
            except LabError:
                continue
            if done.rc == 0:
                try:
                    return ElementTree.fromstring(done.out)
                except ElementTree.ParseError:
                    continue
        return None

    def online(self, node=None):
        """Names of the nodes that are online in Pacemaker, asked on `node` or on the first node that answers."""
        status = self.cluster_xml(node)
        if status is None:
            return []
        return sorted(one.get("name") for one in status.findall("./nodes/node")
                      if one.get("online") == "true" and one.get("pending") != "true")

    def promoted(self, resource=None):
        """Names of the nodes where `resource` (default: any) is promoted."""
        status = self.cluster_xml()
        found = set()
        for one in (status.iter("resource") if status is not None else ()):
            named = resource is None or one.get("id", "").split(":")[0] == resource
            if named and one.get("role") in ("Promoted", "Master"):
                found.update(at.get("name") for at in one.findall("node"))
        return sorted(found)

    def wait_online(self, nodes=None, timeout=UP_TIMEOUT):
        """Wait until `nodes` (default: all) are online in Pacemaker and it has a DC. LabError if not in time."""
        wanted = set(nodes or self.node_names)
        missing = "%s not online in Pacemaker after %.0f s; see `lab status` and `lab run NODE journalctl -b`"
        self._await(lambda: wanted <= set(self.online()), timeout, missing % (" ".join(sorted(wanted)), timeout))

    def wait(self, condition, timeout, what, every=0.25):
        """Poll `condition()` until it is true; its value. LabError with the text `what` after `timeout` seconds."""
        return self._await(condition, timeout, what, every)

    @staticmethod
    def _await(condition, timeout, message, every=0.25):
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise LabError(message)
            time.sleep(every)
