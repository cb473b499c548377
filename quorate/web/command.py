# SPDX-License-Identifier: Apache-2.0
"""The command that every check is: a resident server, an inetd service, drain and undrain, or one answer for operators
and keepalived. What differs is declared by a quorate.web.check.Check."""

import os
import sys

from quorate.errors import Usage
from quorate.web.check import NOTHING_YET, as_json, role_answer

GENERAL = {
    "role PATH": "for a single check: the role to answer for (%(roles)s)",
    "agent [HOST:]PORT": "serve HAProxy's agent-check on this port too",
    "json": "for a single check: everything that is known",
    "drain-directory DIR": "flags of a drain, also with drain and undrain (default: %(drain)s)",
}
SEVERAL = ("listen", "agent")
FIRST_OBSERVATION = 2.0   # seconds to wait for the first observation before READY=1
INETD_MARGIN = 4   # seconds beside the observation after which an inetd process ends, whatever it is doing
COLUMN = 25        # of the usage, where the texts of options begin
WIDTH = 123        # of a line of the usage


def main(declared, words=None):
    """Entry of checks/*: run the command of a subclass of Check. Returns the exit code: 0 fit or done, 1 not, 2
    usage."""
    words = sys.argv[1:] if words is None else list(words)
    if words[:1] in (["-h"], ["--help"]):
        sys.stdout.write(usage(declared))
        return 0
    try:
        if words[:1] in (["drain"], ["undrain"]):
            return drain_or_undrain(declared, words[0], words[1:])
        options = parse(declared, words)
        text = declared.early_output(options)
        if text is not None:
            sys.stdout.write(text)
            return 0
        check = declared(options)
    except Usage as error:
        sys.stderr.write("%s: %s\n%s" % (declared.name, error, usage(declared)))
        return 2
    if not may_have_socket(options):
        return observe_once(check)
    from quorate.web import sockets
    http, agents = sockets.from_systemd()
    if not http and not options["listen"]:
        one = sockets.standard_input()
        http = [one] if one else []
    if http and not sockets.is_listening(http[0]):
        return answer_one(http[0], check)
    try:
        http += [sockets.listen(address) for address in options["listen"]]
        agents += [sockets.listen(address) for address in options["agent"]]
    except (OSError, ValueError) as error:
        sys.stderr.write("%s: cannot listen: %s\n" % (declared.name, error))
        return 1
    return serve(check, http, agents) if http else observe_once(check)


def may_have_socket(options, environ=os.environ):
    """Whether there may be a socket to answer on: by option, from systemd, or as standard input. Called before the
    modules for sockets are imported, which would be a third of the CPU of a single observation."""
    if options["listen"] or options["agent"] or environ.get("LISTEN_PID"):
        return True
    try:
        return os.fstat(0).st_mode & 0o170000 == 0o140000  # S_ISSOCK
    except OSError:
        return False


# The command line

def usage(declared):
    """The text of --help. The manual page is made from it."""
    name, takes = declared.name, " " + declared.takes if declared.takes else ""
    calls = (("%s [OPTION...]%s" % (name, takes), "check once: print a sentence, exit 0 (fit) or 1 (not)"),
             ("%s --listen [HOST:]PORT ...%s" % (name, takes),
              "serve HTTP; the same when systemd or xinetd (wait = yes) "
              "hands over a listening socket. With a connected one (inetd) it answers and ends."),
             ("%s drain [REASON...]" % name, "root only: answer 404, so that HAProxy sends no new connections"),
             ("%s undrain" % name, "root only: end that drain"))
    lines = []
    for number, (call, text) in enumerate(calls):
        lines += _filled(("usage: " if number == 0 else "       ") + call, text, 51)
    fill = {"roles": ", ".join(declared.roles), "drain": declared.drain_directory()}
    lines.append("")
    for term, text in list(declared.options.items()) + [(term, text % fill) for term, text in GENERAL.items()]:
        lines += _filled("  --" + term, text, COLUMN + 1)
    return "\n".join(lines) + "\n"


def _filled(term, text, column):
    """Lines with the text behind a term, from a column on and at least two blanks away."""
    import textwrap
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=term + " " * max(2, column - len(term)),
                         subsequent_indent=" " * column, break_long_words=False, break_on_hyphens=False)


def parse(declared, words):
    """The options as a dict. Raises Usage."""
    names = {term.partition(" ")[0]: " " in term for term in list(declared.options) + list(GENERAL)
             + ["listen ADDRESS"]}
    several = SEVERAL + tuple(declared.several)
    options = {"json": False, "role": "/"}
    options.update((name.replace("-", "_"), []) for name in several)
    words, given = list(words), []
    while words:
        word = words.pop(0)
        name, equals, value = word[2:].partition("=") if word.startswith("--") else ("", "", "")
        if word.startswith("-") and len(word) > 1 and name not in names:
            raise Usage("unknown option %s" % word)
        if not name:
            given.append(word)
            continue
        if names[name] and not equals:
            if not words:
                raise Usage("%s needs a value" % word)
            value = words.pop(0)
        elif equals and not names[name]:
            raise Usage("--%s takes no value" % name)
        key = name.replace("-", "_")
        if name in several:
            options[key].append(value)
        else:
            options[key] = value if names[name] else True
    if len(given) > len(declared.arguments):
        raise Usage("too many arguments" if declared.arguments else "unknown argument %s" % given[0])
    for name, value in zip(declared.arguments, given):
        options.setdefault(name, value)
    return options


# Draining

def drain_reason(check):
    """The function that returns the reason why this service drains here, or None."""
    from functools import partial
    from quorate.host import drain
    return partial(drain.active, check.options.get("drain_directory") or check.drain_directory())


def drain_or_undrain(declared, word, words):
    """The command `drain` or `undrain` (word) with its arguments. Returns the exit code; raises Usage."""
    from quorate.host import drain
    directory = declared.drain_directory()
    if words and words[0].startswith("--drain-directory="):
        directory = words.pop(0).partition("=")[2]
    if words and words[0].startswith("-") or word == "undrain" and words:
        raise Usage("unknown argument %s of %s" % (words[0], word))
    if os.geteuid() != 0:
        sys.stderr.write("%s: only root may drain a node; type: sudo %s %s\n" % (declared.name, declared.name, word))
        return 1
    try:
        if word == "drain":
            drain.set("operator", " ".join(words) or "by the operator", directory)
        else:
            drain.clear("operator", directory)
    except OSError as error:
        sys.stderr.write("%s: %s: %s\n" % (declared.name, error.filename, error.strerror))
        return 1
    left = drain.active(directory)
    sys.stdout.write("Draining: %s\n" % left if left else "Not draining.\n")
    return 0 if bool(left) == (word == "drain") else 1


# A single answer

def observe_once(check):
    """For operators and keepalived: print a sentence, or JSON. Returns the exit code."""
    role = check.options["role"]
    if role not in check.roles:
        sys.stderr.write("%s: there is no role %s; the roles are: %s\n" % (check.name, role, " ".join(check.roles)))
        return 2
    fact = fact_now(check)
    status, sentence = role_answer(check, fact, role)
    sys.stdout.write(as_json(check, fact) if check.options["json"] else sentence.strip() + "\n")
    return 0 if status == 200 else check.exits.get(fact.health.code, 1)


def fact_now(check):
    """The Fact of one observation, by a connection of its own."""
    fact = check.observe(check.once_timeout, NOTHING_YET)
    check.close(fact)
    return fact._replace(draining=drain_reason(check)())


def answer_one(one, check):
    """inetd: read the request, answer, end. In time, and always with exit code 0: systemd would collect failed
    units."""
    import signal
    from quorate.web import request, sockets
    from quorate.web.respond import Responder
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.alarm(INETD_MARGIN + max(1, round(check.once_timeout)))
    sockets.silence()
    data, asked = b"", None
    try:
        while asked is None:
            got = one.recv(65536)
            data += got
            asked, _ = request.parse(data)
            if not got:
                return 0
        if isinstance(asked, request.Request):
            asked = asked._replace(keep_alive=False)
        one.sendall(Responder(check, Observed(fact_now(check))).respond(asked)[0])
        one.shutdown(1)
        while one.recv(65536):
            pass  # closing with unread bytes would send a reset
    except OSError:
        pass
    return 0


class Observed:
    """In place of a Poller: the fact of an observation that has just been made."""

    def __init__(self, fact):
        from time import monotonic
        self.fact, self.asked, self.version = fact, monotonic(), 0


# The resident server

def serve(check, http, agents):
    """The resident server, until SIGTERM. Returns the exit code."""
    import signal
    from quorate.web import sockets
    from quorate.web.poller import Poller
    from quorate.web.respond import Responder
    from quorate.web.server import Server
    allow_connections()
    check.prepare()
    poller = Poller(check, drain_reason(check))
    poller.start()
    responder = Responder(check, poller)
    notified = []  # the poller's version that systemd's status shows

    def tick():
        if not poller.is_alive():
            server.ended = True  # the facts would stay as they are; the service manager restarts us
        elif poller.is_stalled():
            pass  # no WATCHDOG=1: the service manager restarts us
        elif notified != [poller.version]:
            notified[:] = [poller.version]
            sockets.notify("WATCHDOG=1\nSTATUS=%s" % poller.fact.health.sentence)
        else:
            sockets.notify("WATCHDOG=1")

    server = Server(http, responder.respond, agents, responder.agent, tick)

    def end(_number, _frame):
        server.ended = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if not check.options["listen"] and not os.environ.get("LISTEN_PID"):
        sockets.silence()  # xinetd
    check.resident(poller, sockets.port(http[0]))
    poller.observed.wait(FIRST_OBSERVATION)
    sockets.notify("READY=1")
    server.run()
    poller.ended.set()
    return 0 if poller.is_alive() else 1


def allow_connections():
    """Raise the limit of open files, one for each connection, as far as this process may."""
    import resource
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
