# SPDX-License-Identifier: Apache-2.0
"""Why a broker ended or does not come up, by what it printed and logged, as a sentence with its remedy. Pure: text to a
Cause or None.

The last error is rarely the cause: whatever it was, Erlang ends with "Kernel pid terminated". What is known is in
cause_table.py. Of the rest nothing is said here: ending.died() then shows what the broker called its error.
"""

import posixpath
import re
from collections import namedtuple

from quorate.rabbitmq.broker import parse
from quorate.rabbitmq.broker.log.cause_table import RULES, RUNNING
from quorate.text import one_line

MOST = 109        # characters of a sentence: with what precedes it, it fits the 144 that Pacemaker keeps of a reason
LINE_MOST = 1000  # characters of a line that are looked at: an error is in its beginning
SERVES, BOOTS = "Server startup complete", "Starting RabbitMQ "
# '2026-11-29 02:31:27.750791+00:00 [error] <0.660.0> text'; other formatter.time_format have one word.
_HEAD = re.compile(r"^\S+(?: \S+)? \[\w+\] <[\d.]+> ?")
_STOPPED = re.compile(r"SIGTERM received - shutting down|RabbitMQ is asked to stop")
# What may be a secret in a text of unknown content.
_SECRET = re.compile(r"pass|secret|token|cookie|credential|\bkey\b", re.IGNORECASE)
_SETTINGS = re.compile(r"([\w.-]*(?:pass|secret|token|credential)[\w.-]*['\">]*)(\s*[=:,]\s*|\s+)"
                       r"('[^']*'?|<*\"[^\"]*\"?|[^\s;,{}\[\]]+)", re.IGNORECASE)
_ACCOUNT = re.compile(r"(\w[\w.-]*:)[^\s:/,;'\"()]+(?=@)")


class Cause(namedtuple("Cause", "code sentence")):
    """code: of the rule in cause_table.py. sentence: at most MOST characters of ASCII, without a full stop; it holds no
    password, nor the value of a setting that may be one."""

    __slots__ = ()


def find(text, layout=None):
    """The Cause of a broker's end, or of its not coming up; None when the text tells none that is known.

    text: what it printed and logged since its launch, however cut. layout: its Layout, for the remedies; None: the
    usual places. Once it served, what it said before does not explain its end.
    """
    found = _found(_flat(text))
    return found and _cause(*found, layout)


def said(text):
    """(code, the broker's own words) of the Cause, or None."""
    found = _found(_flat(text))
    return found and (found[0].code, one_line(found[1].group()))


def _found(text):
    """(Rule, match) of the cause in messages, or None."""
    served, boots, found = text.rfind(SERVES), text.rfind(BOOTS), []
    for number, rule in enumerate(RULES):
        if served > boots and rule.strength != RUNNING:
            continue  # a broker that serves logs errors as well
        # What Erlang prints as it ends stands before the log.
        match = rule.pattern.search(text, boots if 0 <= served < boots and rule.strength != RUNNING else 0)
        if match:
            found.append((-rule.strength, match.start(), number, match))
    if not found:
        return None
    _, _, number, match = min(found)
    return RULES[number], match


def sentence(text, layout=None):
    """The sentence of find(), or None."""
    cause = find(text, layout)
    return cause and cause.sentence


def shown(text):
    """A line of the broker's, as it may be shown: shortened, and without what may be a secret."""
    return _cut(_clean(_message(text)))


def shutdown(text):
    """Who stopped a broker that ended in good order, as a sentence; None when it did not."""
    found = None
    for line in text.splitlines():
        if _STOPPED.search(line):
            found = "it was stopped, and not by the cluster (%s): systemctl disable --now rabbitmq-server" % (
                "SIGTERM" if "SIGTERM" in line else "rabbitmqctl stop")
        elif BOOTS in line or SERVES in line:
            found = None
    return found


def _flat(text):
    """The messages, each line without what stands before it, and without blanks around it."""
    return "\n".join(_message(line) for line in text.splitlines())


def _message(line):
    found = parse.json_message(line)
    return found[1].strip() if found else _HEAD.sub("", line[:LINE_MOST]).strip()


def _cause(rule, match, layout):
    values = _places(layout)
    groups = {name: _clean(value or "") for name, value in match.groupdict().items()}
    if _SECRET.search(groups.get("name", "")) and "value" in groups:
        groups["value"] = "what is set"
    if "address" in groups:
        groups["address"] = _address(groups["address"])
    if "path" in groups:
        groups["path"] = groups["path"].replace("//", "/")
        groups["directory"], groups["file"] = posixpath.split(groups["path"])
        own = _own(groups["path"], values)
        no_file = groups["path"].startswith("/dev/")
        groups["give_file"] = own or ("set LOGS=- in %s/rabbitmq-env.conf" % values["conf"] if no_file
                                      else "chown %s: %s" % (values["user"], groups["path"]))
        groups["give"] = own or "ls -ld %s" % groups["path"]  # what is not the broker's is not given away
    values.update(groups, bare=groups.get("name", "").replace("$", "."))
    what, remedy = one_line(rule.what.format(**values)), one_line(rule.remedy.format(**values))
    left = MOST - len(remedy) - len(": ")
    if left < MOST // 4:  # long paths: half a command is not shown
        return Cause(rule.code, _cut(what))
    return Cause(rule.code, "%s: %s" % (_cut(what, left), remedy))


def _places(layout):
    if layout is None:
        return {"user": "rabbitmq", "base": "/var/lib/rabbitmq/mnesia", "data": "the data directory",
                "cookie": "/var/lib/rabbitmq/.erlang.cookie", "conf": "/etc/rabbitmq"}
    return {"user": layout.user, "base": layout.base, "data": layout.directory, "cookie": layout.cookie,
            "conf": posixpath.dirname(layout.config or "") or "/etc/rabbitmq"}


def _own(path, values):
    """The command that gives the user the directory of the broker's own that a file is in; None: it is in none."""
    for root in (values["base"], values["data"], posixpath.dirname(path)):
        if (path + "/").startswith(root + "/") and parse.is_own_directory(root, values["data"]):
            return "chown -R %s: %s" % (values["user"], root)
    return None


def _address(words):
    """An Erlang address, '{10,9,9,9}', as it is written."""
    import ipaddress
    parts = [int(word) for word in re.findall(r"\d+", words)]
    try:
        packed = bytes(parts) if len(parts) == 4 else b"".join(part.to_bytes(2, "big") for part in parts)
        return str(ipaddress.ip_address(packed))
    except (ValueError, OverflowError):
        return words


def _clean(text):
    """One line of ASCII without what may be a secret."""
    return one_line(_ACCOUNT.sub(r"\1...", _SETTINGS.sub(r"\1\2...", text)))


def _cut(text, most=MOST):
    return text if len(text) <= most else text[:most - 3].rstrip() + "..."
