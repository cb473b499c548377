# SPDX-License-Identifier: Apache-2.0
"""The root file system of a suite: made once with debootstrap, cached, and never written to afterwards.

A cached image is named by its suite and a digest of its recipe (the constants below; moving this file changes nothing).
It is built under another name and renamed when it is complete, so that an interrupted build leaves nothing that looks
like an image.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

from lab import LabError
from lab.images import sources

CACHE = "/var/cache/quorate-lab"
RECIPE = "1"
BOOTSTRAP = ("systemd", "systemd-sysv", "dbus", "iproute2", "python3", "procps", "ca-certificates")
PACKAGES = (
    "pacemaker", "pacemaker-cli-utils", "pcs", "corosync", "crmsh", "resource-agents",
    "mariadb-server", "mariadb-backup", "galera-4", "galera-arbitrator-4", "rsync", "socat", "lsof",
    "haproxy", "xinetd", "keepalived", "rabbitmq-server", "memcached",
    "python3-pymysql", "python3-pika", "python3-psutil", "python3-requests",
    "curl", "iputils-ping", "nftables", "strace", "less", "libfaketime",
)
# Services that Pacemaker is to manage; below, what would fetch or clean up unasked, and what configures the network as
# well.
DISABLED = (
    "mariadb.service", "rabbitmq-server.service", "haproxy.service", "memcached.service", "keepalived.service",
    "xinetd.service", "garb.service", "epmd.service", "epmd.socket", "rsync.service", "pcsd.service",
    "pcsd-ruby.service", "corosync.service", "pacemaker.service", "crm_mon.service", "logrotate.timer",
    "nftables.service",
)
MASKED = (
    "systemd-networkd.service", "systemd-networkd.socket", "systemd-networkd-wait-online.service",
    "systemd-resolved.service", "systemd-timesyncd.service", "apt-daily.timer", "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer", "man-db.timer", "getty@tty1.service",
    "console-getty.service", "systemd-firstboot.service", "systemd-logind.service", "e2scrub_reap.service",
)
TOOLS = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "nsenter": "util-linux", "ip": "iproute2"}


def cache_dir():
    """Where images and layers are kept: $QUORATE_LAB_CACHE or /var/cache/quorate-lab."""
    return os.environ.get("QUORATE_LAB_CACHE") or CACHE


def recipe_digest():
    """Eight hex digits that change when an image made by this recipe would differ."""
    text = repr((RECIPE, BOOTSTRAP, PACKAGES, DISABLED, MASKED))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def path(suite):
    """Where the image of `suite` is, or would be."""
    return os.path.join(cache_dir(), "%s-%s" % (suite, recipe_digest()))


def exists(suite):
    """Whether a finished image of `suite` is in the cache."""
    return os.path.isdir(path(suite))


def ensure_tools(say):
    """Install with apt the programs that the lab needs and the machine lacks. LabError where that is not possible."""
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise LabError("the lab needs %s; install them first" % ", ".join(missing))
    say("installing %s on this machine" % " ".join(missing))
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"] + missing
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for attempt in ("first", "after apt-get update"):
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode == 0:
            return
        if attempt == "first":
            subprocess.run(["apt-get", "update", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    raise LabError("apt-get could not install %s: %s" % (" ".join(missing), last_line(done.stdout)))


def host_sources():
    """All sources in this machine's /etc/apt."""
    names = ["/etc/apt/sources.list"]
    directory = "/etc/apt/sources.list.d"
    if os.path.isdir(directory):
        names += [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
    found = []
    for name in names:
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                found += sources.parse(file.read(), name)
        except OSError:
            continue
    return found


def build(suite, say, force=False):
    """The path of the image of `suite`, which is built unless it is cached: one to two minutes, about 1.3 GB."""
    if suite not in sources.SUITES:
        raise LabError("suite %r is not one of %s" % (suite, ", ".join(sources.SUITES)))
    ensure_tools(say)
    os.makedirs(cache_dir(), mode=0o755, exist_ok=True)
    with open(os.path.join(cache_dir(), ".build-%s.lock" % suite), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another lab builds the %s image; waiting for it" % suite)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if exists(suite) and not force:
            return path(suite)
        _build_locked(suite, say)
    return path(suite)


def _build_locked(suite, say):
    chosen = sources.for_suite(host_sources(), suite)
    if not chosen or chosen[0].suite != suite:
        raise LabError("no Debian archive is among this machine's apt sources; add one to /etc/apt/sources.list.d")
    target = path(suite)
    root = target + ".building"
    remove_tree(root)
    os.makedirs(root, mode=0o755)
    started = time.monotonic()
    try:
        say("image %s: debootstrap from %s" % (suite, chosen[0].uri))
        _debootstrap(suite, chosen[0].uri, root)
        prepare_apt(root, chosen)
        say("image %s: fetching and installing %d packages and what they need" % (suite, len(PACKAGES)))
        _install_packages(root, say)
        settle(root)
        remove_tree(target)
        os.rename(root, target)
    except BaseException:
        remove_tree(root)
        raise
    say("image %s: ready after %.0f s in %s" % (suite, time.monotonic() - started, target))


def _debootstrap(suite, uri, root):
    command = ["unshare", "--mount", "--propagation", "private", "debootstrap", "--variant=minbase",
               "--include=" + ",".join(BOOTSTRAP)]
    if os.path.exists(sources.KEYRING):
        command.append("--keyring=" + sources.KEYRING)
    stream(command + [suite, root, uri], os.path.join(cache_dir(), "build-%s.log" % suite))


def prepare_apt(root, chosen):
    """Have apt in `root` fetch from the sources `chosen` as this machine's does, install as little as possible and
    start no service."""
    write(root, "etc/apt/sources.list", sources.as_list(chosen))
    dump = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True).stdout
    write(root, "etc/apt/apt.conf.d/90lab-build", sources.acquire_settings(dump))
    write(root, "etc/apt/apt.conf.d/91lab",
           'APT::Install-Recommends "false";\nAcquire::Languages "none";\nDPkg::Use-Pty "0";\n')
    write(root, "etc/dpkg/dpkg.cfg.d/lab", "force-unsafe-io\npath-exclude=/usr/share/man/*\n"
           "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\npath-exclude=/usr/share/locale/*\n")
    write(root, "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    if os.path.isdir("/etc/apt/auth.conf.d"):
        shutil.copytree("/etc/apt/auth.conf.d", os.path.join(root, "etc/apt/auth.conf.d"), dirs_exist_ok=True)


def _install_packages(root, say):
    log = os.path.join(cache_dir(), "build-%s.log" % os.path.basename(root).split("-")[0])
    in_root = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc=%s/proc" % root,
               "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
               "DEBIAN_FRONTEND=noninteractive", "chroot", root]
    stream(in_root + ["apt-get", "update", "-q"], log)
    stream(in_root + ["apt-get", "install", "-y", "-q", "--no-install-recommends"] + list(PACKAGES), log,
           lambda text: say("image: " + text))
    stream(in_root + ["apt-get", "clean"], log)
    for unit in DISABLED:
        subprocess.run(in_root + ["systemctl", "disable", "-q", unit],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stream(in_root + ["systemctl", "mask", "-q"] + list(MASKED), log)


def settle(root):
    """Remove what only the build needed, and the files of which each node gets its own."""
    for name in ("usr/sbin/policy-rc.d", "etc/apt/apt.conf.d/90lab-build", "etc/corosync/corosync.conf",
                 "etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname", "etc/resolv.conf",
                 "var/lib/rabbitmq/.erlang.cookie"):
        try:
            os.unlink(os.path.join(root, name))
        except FileNotFoundError:
            pass
    for name in ("etc/apt/auth.conf.d", "var/lib/apt/lists"):
        shutil.rmtree(os.path.join(root, name), ignore_errors=True)
        os.makedirs(os.path.join(root, name), exist_ok=True)
    write(root, "etc/default/locale", "LANG=C.UTF-8\n")


def stream(command, log, say=None, what=None):
    """Run `command` with its output in `log`; the progress of its apt or pip goes to `say`, every 60 steps. what: its
    name in an error. LabError if it fails."""
    with open(log, "ab") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        done, last = 0, b""
        try:
            for line in process.stdout:
                file.write(line)
                last = line.strip() or last
                if line.startswith((b"Unpacking ", b"Setting up ", b"Collecting ")):
                    done += 1
                    if say and done % 60 == 0:
                        say("%d steps, now %s" % (done, line.decode("utf-8", "replace").split(" (")[0].strip()))
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # debootstrap has children that do the work
            process.wait()
            raise
        if process.wait() != 0:
            raise LabError("%s failed: %s (all of it in %s)"
                           % (what or command_name(command), last.decode("utf-8", "replace"), log))


def command_name(command):
    """The word of `command` that says what was run, for an error."""
    for word in ("debootstrap", "apt-get", "systemctl", "dpkg"):
        if word in command:
            return word
    return command[0]


def write(root, name, text, mode=0o644):
    """Write `text` to `name` below `root`; missing directories are made."""
    full = os.path.join(root, name)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(full, mode)


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no output"


def remove_tree(root):
    """Remove `root`. LabError if something is mounted below it, which would be removed as well."""
    if not os.path.lexists(root):
        return
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        if any(line.split()[4].startswith(root + "/") for line in mounts):
            raise LabError("something is mounted below %s; unmount it first" % root)
    shutil.rmtree(root)


def forget_scratch(older_than=3600.0):
    """Remove what interrupted builds left in the cache, if it is more than `older_than` seconds old."""
    if not os.path.isdir(cache_dir()):
        return
    for name in os.listdir(cache_dir()):
        found = os.path.join(cache_dir(), name)
        if name.startswith((".layer-", ".disk-")) and time.time() - os.stat(found).st_mtime > older_than:
            remove_tree(found)


def printer(stream=sys.stderr):
    """A `say` that writes each text as a line, with the seconds since `printer` was called."""
    started = time.monotonic()

    def say(text):
        stream.write("lab %6.1fs  %s\n" % (time.monotonic() - started, text))
        stream.flush()
    return say
