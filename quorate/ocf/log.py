# SPDX-License-Identifier: Apache-2.0
"""The log of an agent.

Under the cluster: syslog, with the tag and facility that every other agent uses, and the log file if one is configured.
Only the exit reason goes to stderr there, because pacemaker-execd logs the agent's stderr once more.
Run by an operator: everything goes to stderr, with a narration of what was observed.
"""

import sys

_LEVELS = {"ERROR": 3, "WARNING": 4, "INFO": 6, "DEBUG": 7}  # syslog(3) priorities
_FACILITIES = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv")
_DAEMON = 3


def to_stderr(text):
    """Write to stderr. Never fails, also when nobody reads there."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        # What stays in the buffer would fail again at the end of the interpreter, and make the exit code 120.
        sys.stderr = open("/dev/null", "w")


class Log:
    """The agent's log.

    tag          'galera(galera-db)' or the like
    interactive  an operator reads: everything goes to stderr, the narration too
    narrate      whether the narration does; None: as interactive
    secrets      values that are replaced in every line
    tracer       called with every line, debug included, when tracing is on (see trace.py)
    echo         whether lines for an operator go to stderr; not when the trace goes there, which has them all
    """

    def __init__(self, tag="quorate", environ=None, interactive=False, narrate=None, stream=None, secrets=(),
                 tracer=None, echo=True):
        self.interactive = interactive
        self.secrets = tuple(secrets)
        self.tracer = tracer
        self._tag = tag
        self._environ = {} if environ is None else environ
        self._narrate = (interactive if narrate is None else narrate) and echo
        self._echo = echo
        self._stream = stream
        self._opened = False

    def debug(self, text):
        if self.tracer is not None or self._debugging():
            self._line("DEBUG", text)

    def info(self, text):
        self._line("INFO", text)

    def warning(self, text):
        self._line("WARNING", text)

    def error(self, text):
        """For what makes the action fail; a healthy monitor logs no error."""
        self._line("ERROR", text)

    def traceback(self, text):
        """A stack trace: to syslog also when an operator runs the agent, who gets the exit reason."""
        self._syslog("ERROR", self.clean(text))
        if self.tracer is not None:
            self.tracer(self.clean(text))

    def say(self, text):
        """One line of the narration: what was observed. Only an operator who runs the agent sees it."""
        if self._narrate:
            self._write(self.clean(text))
        if self.tracer is not None:
            self.tracer(self.clean(text))

    def clean(self, text):
        """The text with every secret replaced."""
        for secret in self.secrets:
            if secret:
                text = text.replace(secret, "****")
        return text

    def _line(self, level, text):
        text = self.clean(text)
        if self.tracer is not None:
            self.tracer("%s: %s" % (level, text))
        if level == "DEBUG" and not self._debugging():
            return
        if self.interactive:
            if self._echo:
                self._write("%s: %s" % (level, text))
        else:
            self._syslog(level, text)
            self._file(level, text)

    def _debugging(self):
        return self._environ.get("HA_debug", "0") not in ("", "0")

    def _write(self, text):
        if self._stream is None:
            to_stderr(text + "\n")
        else:
            self._stream.write(text + "\n")

    def _syslog(self, level, text):
        name = self._environ.get("HA_LOGFACILITY") or self._environ.get("HA_logfacility") or "daemon"
        if name == "none":
            return
        import syslog
        if not self._opened:
            syslog.openlog(self._tag, syslog.LOG_PID, _facility(name))
            self._opened = True
        for line in text.splitlines():
            syslog.syslog(_LEVELS[level], "%s: %s" % (level, line.replace("\0", "?")))

    def _file(self, level, text):
        name = "HA_DEBUGLOG" if level == "DEBUG" else "HA_LOGFILE"
        path = self._environ.get(name)
        if not path or path == "none" or not path.startswith("/"):
            return
        import os
        import time
        try:
            with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
                for line in text.splitlines():
                    file.write("%s[%d]:\t%s %s: %s\n" % (
                        self._tag, os.getpid(), time.strftime("%Y/%m/%d_%H:%M:%S"), level, line))
        except OSError:
            pass  # a full disk is no reason for an action to fail


def _facility(name):
    """The syslog facility of that name, shifted as syslog(3) requires; an unknown name gives 'daemon'."""
    if name in _FACILITIES:
        return _FACILITIES.index(name) << 3
    if name.startswith("local") and name[5:] in tuple("01234567"):
        return (16 + int(name[5:])) << 3
    return _DAEMON << 3
