# SPDX-License-Identifier: Apache-2.0
"""Runs other programs: each with a time limit, without a shell, and with nothing left running.

Built on posix_spawn and poll: importing subprocess costs more CPU than asking the database.
"""

import os
from collections import namedtuple
from time import monotonic

NOT_FOUND = 127         # as in a shell
NOT_EXECUTABLE = 126
_SIGKILL = 9            # numbers, because importing signal costs milliseconds; they are the same on every Linux
_SIGPIPE, _SIGXFSZ = 13, 25
_CHUNK = 65536
_OUTPUT_MOST = 16 * 1024 * 1024  # bytes kept of each stream: a program that writes without end must not fill our memory
_AT_ONCE = 64           # chunks read without a wait. A pipe holds less; a process that writes for ever must not hold us
_TICK = 0.05            # seconds between checks whether a child has ended whose output stays open
_REAP = 2.0             # seconds to wait for a killed child; one that takes longer hangs in the kernel
_PATH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Result(namedtuple("Result", "argv rc out err timed_out")):
    """How a command ended.

    rc         exit code, -N when signal N ended it, 127 when there is no such program; None: it did not end in time,
               and its whole process group was killed
    out, err   text; bytes that are not UTF-8 are kept as surrogates
    """

    __slots__ = ()

    @property
    def ok(self):
        return self.rc == 0


class Commands:
    """Runs commands. trace: called with a text for each; None: not called."""

    __slots__ = ("trace", "_environ")

    def __init__(self, environ=None, trace=None):
        self.trace = trace
        self._environ = environ

    def run(self, argv, timeout, stdin=None, env=None):
        """Run `argv` for at most `timeout` seconds and return its Result. Raises nothing for what the program does.

        stdin: text for the program, /dev/null if None. env: variables to add; None as a value removes one. The program
        gets LC_ALL=C, a process group of its own, and none of the agent's own parameters.
        """
        argv = tuple(argv)
        began = monotonic()
        result = self._run(argv, began + timeout, stdin, self.environment(env))
        if self.trace is not None:
            self.trace("ran %s: %s, %.0f ms%s" % (
                " ".join(argv), "timed out" if result.timed_out else "rc %s" % result.rc, (monotonic() - began) * 1000,
                "".join("\n    " + line for line in (result.out + result.err).splitlines()[:40])))
        return result

    def environment(self, env=None):
        """The environment for a program: ours, in the C locale, without the agent's parameters (a password among them
        would be readable in /proc by the service's user), and with the directories of system programs in PATH."""
        source = os.environ if self._environ is None else self._environ
        clean = {
            name: value for name, value in source.items()
            if not name.startswith("OCF_RESKEY_") or name.startswith("OCF_RESKEY_CRM_meta_")
            # the cluster's own variables stay: its tools find out from them on whose behalf they run
        }
        path = [directory for directory in clean.get("PATH", "").split(":") if directory.startswith("/")]
        clean["PATH"] = ":".join(path + [directory for directory in _PATH if directory not in path])
        clean["LC_ALL"] = "C"
        clean.pop("LANGUAGE", None)
        for name, value in (env or {}).items():
            if value is None:
                clean.pop(name, None)
            else:
                clean[name] = value
        return clean

    def _run(self, argv, end, stdin, env):
        program = find(argv[0], env["PATH"])
        if program is None:
            return Result(argv, NOT_FOUND, "", "%s: command not found" % argv[0], False)
        pipes = _Pipes(stdin)
        try:
            try:
                # SIGPIPE is ignored in Python, and programs expect it not to be.
                pid = os.posix_spawn(program, argv, env, file_actions=pipes.actions(), setpgroup=0, setsigmask=(),
                                     setsigdef=(_SIGPIPE, _SIGXFSZ))
            except OSError as error:
                rc = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
                return Result(argv, rc, "", "%s: %s" % (argv[0], error.strerror), False)
            pipes.close_theirs()
            return self._attend(argv, pid, pipes, end)
        finally:
            pipes.close()

    def _attend(self, argv, pid, pipes, end):
        """Exchange data with the child until it ends or its time is over. In any case it has ended or is killed."""
        status, ended = None, False
        try:
            while True:
                left = end - monotonic()
                if pipes.open() and left > 0:
                    pipes.exchange(min(left, _TICK))
                # The child may end while a grandchild holds the pipe, or close its output long before it ends.
                if status is None:
                    status = _reap(pid, 0.0 if pipes.open() else min(max(left, 0.0), _TICK))
                if status is not None:
                    ended = True
                    pipes.exchange(0)
                    return Result(argv, os.waitstatus_to_exitcode(status), pipes.text(1), pipes.text(2), False)
                if left <= 0:
                    break
        finally:
            if not ended:
                _kill_group(pid)
                _reap(pid, _REAP)
        pipes.exchange(0)
        return Result(argv, None, pipes.text(1), pipes.text(2), True)

    def spawn(self, argv, log_path, env=None, user=None):
        """Start a daemon that outlives this process and return its pid. Raises OSError when it cannot be started.

        It gets a session of its own (Pacemaker kills our process group at a timeout), /dev/null as input, and
        `log_path` as output (None: /dev/null): a daemon that holds our pipes would make callers of the agent hang.
        """
        import subprocess
        target = log_path or os.devnull
        log = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            child = subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(env), user=user,
                group=_group(user), extra_groups=_groups(user), start_new_session=True, close_fds=True, cwd="/")
        finally:
            os.close(log)
        child.returncode = 0  # suppresses the warning of an unfinished child: it is meant to outlive us
        if self.trace is not None:
            self.trace("started %s: pid %d" % (" ".join(argv), child.pid))
        return child.pid


def find(program, path):
    """The path of a program, None when no directory of `path` has it."""
    if "/" in program:
        return program
    for directory in path.split(":"):
        candidate = directory + "/" + program
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return None


class _Pipes:
    """The three pipes to a child."""

    def __init__(self, stdin):
        self._ours = {}     # fd of ours -> 0, 1 or 2
        self._theirs = {}   # 0, 1 or 2 -> fd of theirs
        self._data = {1: [], 2: []}
        self._size = {1: 0, 2: 0}
        self._input = b"" if stdin is None else stdin.encode("utf-8", "surrogateescape")
        self._poll = None
        for number in (1, 2):
            self._theirs_and_ours(number)
        if stdin is not None:
            self._theirs_and_ours(0)

    def _theirs_and_ours(self, number):
        reader, writer = os.pipe2(os.O_CLOEXEC)
        ours, theirs = (writer, reader) if number == 0 else (reader, writer)
        os.set_blocking(ours, False)
        self._ours[ours] = number
        self._theirs[number] = theirs

    def actions(self):
        """The file_actions of posix_spawn: what is done with descriptors in the child."""
        todo = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in self._theirs.items()]
        if 0 not in self._theirs:
            todo.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        return todo

    def close_theirs(self):
        while self._theirs:
            os.close(self._theirs.popitem()[1])

    def close(self):
        self.close_theirs()
        while self._ours:
            os.close(self._ours.popitem()[0])

    def open(self):
        return bool(self._ours)

    def exchange(self, seconds):
        """Wait up to `seconds` for a pipe to be ready and transfer data; with 0 only what can be transferred now."""
        if self._poll is None:
            import select
            self._poll = select.poll()
            for fd, number in self._ours.items():
                self._poll.register(fd, select.POLLOUT if number == 0 else select.POLLIN)
        ready = self._poll.poll(int(seconds * 1000 + 0.999))
        for _ in range(_AT_ONCE):
            for fd, _event in ready:
                if not (self._write(fd) if self._ours[fd] == 0 else self._read(fd)):
                    self._poll.unregister(fd)
                    del self._ours[fd]
                    os.close(fd)
            ready = self._poll.poll(0) if self._ours and not seconds else ()
            if not ready:
                break

    def _read(self, fd):
        """Read one chunk; False at the end of the stream."""
        number = self._ours[fd]
        chunk = os.read(fd, _CHUNK)
        if self._size[number] < _OUTPUT_MOST:
            self._data[number].append(chunk)
            self._size[number] += len(chunk)
        return bool(chunk)

    def _write(self, fd):
        """Write one chunk; False when all is written or the child has closed its end."""
        try:
            self._input = self._input[os.write(fd, self._input[:_CHUNK]):] if self._input else b""
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return bool(self._input)

    def text(self, number):
        return b"".join(self._data[number]).decode("utf-8", "surrogateescape")


def _reap(pid, seconds):
    """The wait status of the child, or None if it has not ended within `seconds`."""
    end = monotonic() + seconds
    pause = 0.0005
    while True:
        try:
            done, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return 0  # SIGCHLD is ignored in this process: the child has ended, and its status is lost
        if done:
            return status
        left = end - monotonic()
        if left <= 0:
            return None
        from time import sleep
        sleep(min(pause, left))
        pause = min(pause * 2, _TICK)


def _kill_group(pid):
    try:
        os.killpg(pid, _SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # ended meanwhile


def _groups(user):
    """All groups of the user, as his unit has them: a key for TLS is often readable by one of those. None: no
    change."""
    return None if user is None else os.getgrouplist(user, _group(user))


def _group(user):
    """The user's primary group, None for no change."""
    if user is None:
        return None
    import pwd
    return pwd.getpwnam(user).pw_gid
