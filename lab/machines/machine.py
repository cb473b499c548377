# SPDX-License-Identifier: Apache-2.0
"""One node: its own files, its start, and commands in it.

Its root is an overlay of the image, the layers, and its own directory. The overlay is mounted in a mount namespace of
the node, so that nothing stays mounted when it dies, however it dies.
"""

import os
import secrets
import signal
import subprocess
import time
from typing import NamedTuple, Optional

from lab import LabError, state
from lab.machines import cgroups, names

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "LANG": "C.UTF-8", "TERM": "dumb"}
POWER_MOUNT = "/var/lib/lab-power"
SHUTDOWN = signal.SIGRTMIN + 4  # to systemd as pid 1: power off (systemd(1), SIGNALS)

_START = r"""
set -e
name=$1 namespace=$2 base=$3 dir=$4 power=$5 bridge=$6; shift 6
if [ -e "$dir/disk.img" ]; then
    mkdir -p "$dir/disk"
    mount -o loop,noatime "$dir/disk.img" "$dir/disk"
    for path in mysql rabbitmq; do set -- "$@" --bind="$dir/disk/$path:/var/lib/$path"; done
fi
mount -t overlay lab-$name -o "lowerdir=$base,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
exec nsenter --net=/run/netns/$namespace systemd-nspawn --quiet --boot --register=no --keep-unit \
    --network-bridge="$bridge" --console=passive --link-journal=no --capability=CAP_IPC_LOCK \
    --machine="$name" --directory="$dir/root" \
    --bind="$power:%s" "$@"
""" % POWER_MOUNT


class Result(NamedTuple):
    """The result of a command in a node. `rc` None: it did not end in time and was killed."""

    rc: Optional[int]
    out: str
    err: str


def group(lab, node):
    """The node's control group."""
    return "%s/%s" % (names.cgroup(lab), node)


def directory(lab, node):
    """The node's directory on this machine."""
    return os.path.join(state.directory(lab), node)


def write_file(root, name, text, mode=0o644, owner=None):
    """Write `text` to `name` below `root`; `owner` is (uid, gid). A text of the form `-> target` makes a link."""
    full = os.path.join(root, name.lstrip("/"))
    os.makedirs(os.path.dirname(full), mode=0o755, exist_ok=True)
    if isinstance(text, str) and text.startswith("-> "):
        os.symlink(text[3:], full)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(full, flags, mode), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
        os.fchmod(file.fileno(), mode)
        if owner:
            os.fchown(file.fileno(), *owner)


def user_ids(root, owner):
    """(uid, gid) of `owner`, a user or user:group, by /etc/passwd and /etc/group of the image in `root`."""
    user, _, group_name = owner.partition(":")
    uid, gid = _numbers(root, "passwd", user)
    return (uid, _numbers(root, "group", group_name)[0]) if group_name else (uid, gid)


def _numbers(root, kind, name):
    with open(os.path.join(root, "etc", kind), encoding="utf-8") as file:
        for line in file:
            fields = line.rstrip("\n").split(":")
            if fields[0] == name:
                return int(fields[2]), int(fields[3] or 0) if kind == "passwd" else 0
    raise LabError("the image has no %s in /etc/%s; build it again with `lab build --force`" % (name, kind))


def make_own(lab, node, root, files, disk_template=None):
    """Make the node's directory with `files`, {path: (text, mode, user or None)}, over the image in `root`."""
    base = directory(lab, node)
    for part in ("", "upper", "work", "root"):
        os.makedirs(os.path.join(base, part), mode=0o755)
    upper = os.path.join(base, "upper")
    for name in sorted(files):
        text, mode, user = files[name]
        _copy_directories(root, upper, os.path.dirname(name).lstrip("/"))
        write_file(upper, name, text, mode, user_ids(root, user) if user else None)
    write_file(upper, "/etc/machine-id", secrets.token_hex(16) + "\n", 0o444)
    write_file(upper, "/etc/hostname", node + "\n")
    if disk_template:
        subprocess.run(["cp", "--sparse=always", disk_template, os.path.join(base, "disk.img")], check=True)


def _copy_directories(root, upper, path):
    """Make the directories of `path` in `upper`, with the owner and mode that they have in the image."""
    done = ""
    for part in path.split("/"):
        done = os.path.join(done, part)
        here = os.path.join(upper, done)
        if os.path.isdir(here):
            continue
        os.mkdir(here, 0o755)
        try:
            there = os.stat(os.path.join(root, done))
        except OSError:
            continue
        os.chown(here, there.st_uid, there.st_gid)
        os.chmod(here, there.st_mode & 0o7777)


def start(lab, node, lower):
    """Start the node; the Popen of its systemd-nspawn. `lower`: the layers below its own, topmost first."""
    base = directory(lab, node)
    this_group = group(lab, node)
    if not cgroups.remove(this_group):  # left by a killed daemon: two systems on one disk would destroy it
        raise LabError("processes that node %s left behind do not end" % node)
    cgroups.create(this_group)
    procs = [os.path.join(path, "cgroup.procs") for path in cgroups.paths(this_group)]
    script = "set -e\nfor procs in %s; do echo $$ > $procs; done\n%s" % (" ".join(procs), _START)
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private",
               "/bin/sh", "-c", script, "lab", node, names.network_namespace(lab), ":".join(lower), base,
               os.path.join(state.directory(lab), "fence"), bridge_of(lab, node)]
    await_disk(base)
    environment = dict(ENVIRONMENT, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="1")
    with open(os.path.join(base, "console.log"), "ab") as log:
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                start_new_session=True)


def bridge_of(lab, node):
    """The bridge that the node is plugged into: br0 unless it was cut off."""
    try:
        with open(os.path.join(directory(lab, node), "bridge")) as file:
            return file.read().strip() or "br0"
    except OSError:
        return "br0"


def set_bridge(lab, node, bridge):
    """Record the bridge of the node; its next start uses it as well."""
    with open(os.path.join(directory(lab, node), "bridge"), "w") as file:
        file.write(bridge + "\n")


def await_disk(base, deadline=20.0):
    """Wait until the node's disk is not in use. The kernel still writes data of a node that has just died; if its file
    system were mounted a second time before that is done, it would be destroyed."""
    image = os.path.join(base, "disk.img")
    if not os.path.exists(image):
        return
    end = time.monotonic() + deadline
    while image in _loop_files():
        if time.monotonic() > end:
            raise LabError("the disk %s is still in use; see `losetup -a`" % image)
        time.sleep(0.02)


def _loop_files():
    found = []
    for name in os.listdir("/sys/block"):
        try:
            with open("/sys/block/%s/loop/backing_file" % name) as file:
                found.append(file.read().strip())
        except OSError:
            continue
    return found


def first_process(nspawn_pid):
    """The pid on this machine of the node's pid 1, once that is systemd; None before."""
    try:
        with open("/proc/%d/task/%d/children" % (nspawn_pid, nspawn_pid)) as file:
            children = file.read().split()
    except OSError:
        return None
    for child in children:
        try:
            with open("/proc/%s/status" % child) as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        except OSError:
            continue
        if status.get("NSpid", "").split()[-1:] == ["1"] and status.get("Name") == "systemd":
            return int(child)
    return None


def pid_of(lab, node):
    """The pid on this machine of the node's pid 1, as the power daemon recorded it. None while the node is off."""
    try:
        with open(os.path.join(directory(lab, node), "pid")) as file:
            pid, started = file.read().split()
    except (OSError, ValueError):
        return None
    return int(pid) if state.process_start(int(pid)) == int(started) else None


def entry(lab, node, pid, argv):
    """The command line that runs `argv` in the node and in its control groups, so that it counts for the node and dies
    with it."""
    joined = " ".join(os.path.join(path, "cgroup.procs") for path in _own_groups(pid))
    script = "for p in %s; do echo $$ > $p; done 2>/dev/null; exec nsenter -t %d -a \"$@\"" % (joined, pid)
    return ["/bin/sh", "-c", script, "sh"] + list(argv)


def _own_groups(pid):
    """The directories of the control groups of `pid`."""
    found = cgroups.hierarchies()
    wanted = []
    with open("/proc/%d/cgroup" % pid) as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            for controller in controllers.split(","):
                if controller in found and path != "/":
                    wanted.append(found[controller] + path)
                    break
    return wanted


def run(lab, node, argv, timeout=60.0, stdin=None, env=None):
    """Run `argv` in the node and wait; Result. LabError if the node is off. `timeout` in seconds, None: no limit."""
    pid = pid_of(lab, node)
    if pid is None:
        raise LabError("node %s is off; `lab power-on %s` starts it" % (node, node))
    environment = dict(ENVIRONMENT, **(env or {}))
    try:
        command = entry(lab, node, pid, argv)
    except OSError:
        raise LabError("node %s has just gone off" % node) from None
    process = subprocess.Popen(command, env=environment, start_new_session=True, cwd="/", stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
    data = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        out, err = process.communicate(data, timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        _kill_group(process)
        try:
            out, err = process.communicate(timeout=1)
        except subprocess.TimeoutExpired as late:  # a process that it left in another session holds the pipes open
            out, err = late.stdout or b"", late.stderr or b""
        code = None
    except BaseException:
        _kill_group(process)
        raise
    return Result(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def _kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        pass
    process.poll()
