# SPDX-License-Identifier: Apache-2.0
"""The command that every check is: a resident server, an inetd service, a drain switch, or one answer for people and
keepalived. What differs is declared by a quorate.web.check.Check."""

import os
import sys

from quorate.errors import Usage
from quorate.web.check import NOTHING_YET, as_json, judged

GENERAL = {
    "role PATH": "with one look: the role to judge (%(roles)s)",
    "agent [HOST:]PORT": "serve HAProxy's agent-check on this port too",
    "json": "with one look: everything that is known",
    "drain-directory DIR": "marks of a drain, also with drain and undrain (default: %(drain)s)",
}
SEVERAL = ("listen", "agent")
FIRST_OBSERVATION = 2.0   # seconds that the first answer is worth waiting for
ALL_OF_IT = 4      # seconds beside the look after which an inetd process ends, whatever it is doing
COLUMN = 25        # of the usage, where the texts of options begin


def main(declared, words=None):
    """Entry of checks/*: run the command of a Check's class. The exit code: 0 fit or done, 1 not, 2 not understood."""
    words = sys.argv[1:] if words is None else list(words)
    if words[:1] in (["-h"], ["--help"]):
        sys.stdout.write(usage(declared))
        return 0
    try:
        if words[:1] in (["drain"], ["undrain"]):
            return switch(declared, words[0], words[1:])
        options = parse(declared, words)
        text = declared.told(options)
        if text is not None:
            sys.stdout.write(text)
            return 0
        check = declared(options)
    except Usage as error:
        sys.stderr.write("%s: %s\n%s" % (declared.name, error, usage(declared)))
        return 2
    if not handed_over(options):
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


def handed_over(options, environ=os.environ):
    """Whether there may be a socket to answer on: by option, by systemd, or as standard input. Asked before anything about
    sockets is imported, which would be a third of the time of a single look."""
    if options["listen"] or options["agent"] or environ.get("LISTEN_PID"):
        return True
    try:
        return os.fstat(0).st_mode & 0o170000 == 0o140000  # S_ISSOCK
    except OSError:
        return False


def usage(declared):
    """The text of --help. The manual page is made from it."""
    name, takes = declared.name, " " + declared.takes if declared.takes else ""
    calls = (("%s [OPTION...]%s" % (name, takes), "look once: print a sentence, exit 0 (fit) or 1 (not)"),
             ("%s --listen [HOST:]PORT ...%s" % (name, takes), "serve HTTP; so it does when systemd or xinetd (wait = yes) hands over a "
              "listening socket. With a connected one (inetd) it answers and ends."),
             ("%s drain [REASON...]" % name, "root only: answer 404, so that HAProxy sends no new connections"),
             ("%s undrain" % name, "root only: answer again what is true"))
    lines = []
    for number, (call, text) in enumerate(calls):
        lines += _filled(("usage: " if number == 0 else "       ") + call, text, 51)
    fill = {"roles": ", ".join(declared.roles), "drain": declared.drain_directory()}
    lines.append("")
    for term, text in list(declared.options.items()) + [(term, text % fill) for term, text in GENERAL.items()]:
        lines += _filled("  --" + term, text, COLUMN + 1)
    return "\n".join(lines) + "\n"


def _filled(term, text, column):
    """Lines with the text behind a term, at least two blanks away, no line longer than 124."""
    lines, line = [], term + " " * max(2, column - len(term))
    for word in text.split():
        if len(line) + len(word) >= 124:
            lines.append(line.rstrip())
            line = " " * column
        line += word + " "
    return lines + [line.rstrip()]


def parse(declared, words):
    """The options as a dict. Raises Usage."""
    names = {term.partition(" ")[0]: " " in term for term in list(declared.options) + list(GENERAL) + ["listen ADDRESS"]}
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


def mark_of(check):
    """The function that says whether this service drains here."""
    from functools import partial
    from quorate.host import drain
    return partial(drain.active, check.options.get("drain_directory") or check.drain_directory())


def switch(declared, word, words):
    """drain and undrain. Raises Usage."""
    from quorate.host import drain
    directory = declared.drain_directory()
    if words and words[0].startswith("--drain-directory="):
        directory = words.pop(0).partition("=")[2]
    if words and words[0].startswith("-") or word == "undrain" and words:
        raise Usage("%s does not know %s" % (word, words[0]))
    if os.geteuid() != 0:
        sys.stderr.write("%s: only root drains a node: sudo %s %s\n" % (declared.name, declared.name, word))
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


def fact_now(check):
    """One look, by a connection of its own."""
    fact = check.observe(check.once_timeout, NOTHING_YET)
    check.close(fact)
    return fact._replace(draining=mark_of(check)())


def observe_once(check):
    """For people and keepalived: a sentence, and 0 or 1."""
    role = check.options["role"]
    if role not in check.roles:
        sys.stderr.write("%s: there is no role %s; one of: %s\n" % (check.name, role, " ".join(check.roles)))
        return 2
    fact = fact_now(check)
    status, sentence = judged(check, fact, role)
    sys.stdout.write(as_json(check, fact) if check.options["json"] else sentence.strip() + "\n")
    return 0 if status == 200 else check.exits.get(fact.health.code, 1)


def answer_one(one, check):
    """inetd: read the request, answer, end; in time, and always with exit code 0, or systemd collects failed units."""
    import signal
    from quorate.web import request, sockets
    from quorate.web.respond import Responder
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.alarm(ALL_OF_IT + max(1, round(check.once_timeout)))
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
        one.sendall(Responder(check, Still(fact_now(check))).respond(asked)[0])
        one.shutdown(1)
        while one.recv(65536):
            pass  # closing with unread bytes would send a reset
    except OSError:
        pass
    return 0


class Still:
    """A fact that was asked a moment ago, for a Responder."""

    def __init__(self, fact):
        from time import monotonic
        self.fact, self.asked, self.version = fact, monotonic(), 0


def serve(check, http, agents):
    """The resident server, until SIGTERM."""
    import resource
    import signal
    from quorate.web import sockets
    from quorate.web.poller import Poller
    from quorate.web.respond import Responder
    from quorate.web.server import Server
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
    check.prepare()
    poller = Poller(check, mark_of(check))
    poller.start()
    responder = Responder(check, poller)
    told = []

    def tick():
        if not poller.is_alive():
            server.ended = True  # nothing would ever be true again; the service manager starts us anew
        elif poller.stuck():
            pass  # the watchdog bites
        elif told != [poller.version]:
            told[:] = [poller.version]
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
