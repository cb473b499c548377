# SPDX-License-Identifier: Apache-2.0
"""Why a server ended or does not come up, by what it logged: the first error that explains the rest, as a sentence with
its remedy. Pure: text to a Cause or None.

The last error of a log is rarely the cause: a port that is taken ends in "WSREP: View callback failed", a missing file
in "Aborting". What is known is in cause_table.py; of the unknown, the first error counts.
"""

import posixpath
import re
from collections import namedtuple

from quorate.galera.server.log.cause_table import CONSEQUENCES, HINT, RULES, STRONG
from quorate.text import one_line

MOST = 100       # characters of a sentence: with what precedes it, it fits the 144 that Pacemaker keeps of a reason
UNKNOWN = "unknown"
LINE_MOST = 800  # characters of a line that are looked at, and of those that follow it
WINDOW = 5       # following lines that a pattern may read: some errors name the file or the port only there
ENDING = 400     # lines before the end of a server that ran: the rest is too long ago to explain it

# '2026-11-28 19:38:22 0 [ERROR] text', MySQL's '2023-09-25T00:18:46.895001Z 1 [ERROR] [MY-013171] [InnoDB] text', a
# crash's '261128 19:50:13 [ERROR] text'. What a journal or a container puts in front is passed over.
_LEVEL = re.compile(r"\[(ERROR|Warning|Note|System)\] ?((?:\[[\w-]+\] ?){0,2})")
_SUBSYSTEMS = (("[InnoDB]", "InnoDB: "), ("[Galera]", "WSREP: "), ("[WSREP]", "WSREP: "),
               ("[WSREP-SST]", "WSREP_SST: [ERROR] "))
# Before the server accepts its first connection it logs its version and its socket in quotes, also with silent-startup
# and in every language of lc_messages (ER_STARTUP in sql/share/errmsg-utf8.txt).
_READY = re.compile(r"ready for connections\.|'\d+\.\d[^'\n]*'\s+\w+: '/")
_ABORTED = re.compile(r"^.*\[ERROR\] (?:\[[\w-]+\] )*Aborting\s*$", re.MULTILINE)
_STOPPED = re.compile(r"\(initiated by: (.*?)\)?: Normal shutdown|Received SHUTDOWN from user (.*?)\. Shutting")
_PORT = re.compile(r"\bbase_port = (\d+)")
_ASKED_PORT = re.compile(r"sport = :(\d{1,5})")
# What may be a secret in a text of unknown content.
_SECRET = re.compile(r"auth|pass|secret|token|key$", re.IGNORECASE)
_SETTINGS = re.compile(r"([\w.-]*(?:auth|pass|secret|token|key)[\w.-]*['\"]?)(\s*[=:]\s*|\s+(?=['\"]))"
                       r"('[^']*'?|\"[^\"]*\"?|[^\s;,]+)", re.IGNORECASE)
_ANY_SETTING = re.compile(r"([\w.-]+\s?=)\s?(?:'[^']*'?|[^\s;,'\"]+)|(\bvalue )'[^']*'?")  # a name may be misspelled
_OPTIONS = re.compile(r"(?:with options|--auth|--wsrep.(?:sst.auth|provider.options)|IDENTIFIED)\b.*", re.IGNORECASE)
_ACCOUNT = re.compile(r"(\w[\w.-]*:)[^\s:/,;'\"()]+(?=@)")


class Cause(namedtuple("Cause", "code sentence port", defaults=(None,))):
    """code: of the rule in cause_table.py, or UNKNOWN. sentence: at most MOST characters of ASCII, without a full stop;
    it holds no password, nor the value of a setting that may be one. port: the number of the port that is said, or
    suspected, to be taken, else None."""

    __slots__ = ()


def aborted(text):
    """Whether the server has logged that it gives up its start."""
    return bool(_ABORTED.search(text))


def find(text, datadir=None, user=None):
    """The Cause of a server's end, or of its not coming up; None when the log tells none.

    text: what it printed and logged since its launch, however cut, in any of the dialects. datadir, user: for the
    remedies, None where they are not known. Once a server was ready for clients, what it logged before does not
    explain its end, and of what it logged since only what ends a server counts: a healthy one logs errors as well.
    """
    ready, hints, known, unknown, consequence = None, [], None, None, None
    for ready in _READY.finditer(text):
        pass
    entries = [_entry(line) for line in (text[ready.end():].splitlines()[-ENDING:] if ready else text.splitlines())]
    for index, (level, message) in enumerate(entries):
        found = _rule(entries, index)
        if found is None:
            if level != "ERROR" or not message or ready:
                continue
            if any(one in message for one in CONSEQUENCES):
                consequence = consequence or message
            else:
                unknown = unknown or message
        elif ready and found[0].code.startswith("sst-"):
            continue  # a transfer to another node, which ends no donor; nothing is received once it was ready
        elif found[0].strength == HINT:
            hints.append(found)
        elif found[0].strength == STRONG:
            known, unknown = found, None
            break
        elif known is None and unknown is None:
            known = found
    if known is not None:
        known = next((hint for hint in hints if known[0].code in hint[0].explains), known)
        port = _PORT.search(text)
        return _cause(*known, {"datadir": datadir or "the data directory", "user": user or "mysql",
                               "gcomm_port": port.group(1) if port else "4567"})
    text = unknown or consequence
    return None if text is None else Cause(UNKNOWN, _cut(_clean(text), MOST))


def sentence(text, layout):
    """The sentence of find() for a server of this Layout, or None."""
    cause = find(text, layout.datadir, layout.user)
    return cause and cause.sentence


def shown(text):
    """A line of the server's, as it may be shown: shortened, and without what may be a secret."""
    return _cut(_clean(_entry(text)[1]), MOST)


def shutdown(text):
    """Who stopped a server that ended in good order, as a sentence; None when it did not, or has not ended."""
    found = None
    for line in text.splitlines():
        match = _STOPPED.search(line)
        if match:
            who = one_line((match.group(1) or match.group(2)).strip(" []"))
            found = "it was stopped, and not by the cluster (%s): systemctl disable --now mariadb" % (
                "SIGTERM" if who in ("unknown", "<via user signal>") else "by %s" % who[:30])
        elif _READY.search(line):
            found = None
    return found


def _entry(line):
    """(level, message) of a line. level: ERROR, Warning, Note, System, or None: a line without one."""
    line = line[:LINE_MOST].replace("\a", "")  # rung for errors that are printed
    script = line.find("WSREP_SST: [")
    if script >= 0:
        return None, line[script:].strip()
    match = _LEVEL.search(line)
    if match is None:
        return None, line.strip()
    message = " ".join(line[match.end():].split())
    for subsystem, prefix in _SUBSYSTEMS:
        if subsystem in match.group(2) and not message.startswith(prefix):
            message = prefix + message
    return match.group(1), message


def _rule(entries, index):
    """(Rule, match) of the first rule that knows this line, or None."""
    message = entries[index][1]
    if not message:
        return None
    window = None
    for rule in RULES:
        if rule.following:
            if window is None:
                window = message + "\n" + "\n".join(one[1] for one in entries[index + 1:index + 1 + WINDOW])[:LINE_MOST]
            match = rule.pattern.match(window)
        else:
            match = rule.pattern.match(message)
        if match:
            return rule, match
    return None


def _cause(rule, match, values):
    groups = {name: _clean(value or "") for name, value in match.groupdict().items()}
    if _SECRET.search(groups.get("name", "")) and "value" in groups:
        groups["value"] = "what is set"
    values = dict(values, afresh="if others serve, move all out of %s" % values["datadir"],
                  bare=re.sub("[_-]", ".", groups.get("name", "").lstrip("-")), **groups)
    if "path" in groups:
        values["path"] = _absolute(groups["path"], values["datadir"])
        values["directory"], values["file"] = posixpath.split(values["path"])
    what, remedy = one_line(rule.what.format(**values)), one_line(rule.remedy.format(**values))
    left = MOST - len(remedy) - len(": ")
    sentence = _cut(what, MOST) if left < MOST // 3 else "%s: %s" % (_cut(what, left), remedy)
    port = _ASKED_PORT.search(remedy)
    return Cause(rule.code, sentence, int(port.group(1)) if port else None)


def _absolute(path, datadir):
    """The server names files relative to its data directory."""
    path = path.replace("//", "/")
    if path.startswith("./") and datadir.startswith("/"):
        return datadir + path[1:]
    return path.rstrip("/") or "/"


def _clean(text):
    """One line of ASCII without what may be a secret."""
    text = _SETTINGS.sub(r"\1\2...", _OPTIONS.sub("...", text))
    text = _ANY_SETTING.sub(lambda match: (match.group(1) or match.group(2)) + "...", text)
    return one_line(_ACCOUNT.sub(r"\1...", text))


def _cut(text, most):
    return text if len(text) <= most else text[:most - 3].rstrip() + "..."
