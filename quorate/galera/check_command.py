# SPDX-License-Identifier: Apache-2.0
"""The command galera-check: a resident server, an inetd service, a drain switch, or one answer for people and keepalived."""

import os
import sys

from quorate.galera import sql
from quorate.galera.health import Policy

USAGE = """\
usage: galera-check [OPTION...]                    look once: print a sentence, exit 0 (fit) or 1 (not)
       galera-check --listen [HOST:]PORT ...       serve HTTP; so it does when systemd or xinetd (wait = yes) hands over a
                                                   listening socket. With a connected one (inetd) it answers and ends.
       galera-check drain [REASON] | undrain       root only: answer 404, so that HAProxy sends no new connections

  --defaults-file FILE    credentials in my.cnf's form, [client] section (default: /etc/quorate/galera-check.cnf if it exists,
                          then clustercheck's settings, then the user this runs as, on the socket)
  --socket PATH           the server's socket (default: found)
  --host HOST --port N    over TCP instead
  --donor yes|no|auto     is a donor fit? auto: unless the state transfer blocks it (default: no)
  --readonly yes|no       is a read-only node fit? (default: yes)
  --role PATH             with one look: the role to judge (/, /writer, /reader, /live)
  --agent [HOST:]PORT     serve HAProxy's agent-check on this port too
  --json                  with one look: everything that is known
"""
CREDENTIALS = "/etc/quorate/galera-check.cnf"
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/var/run/mysqld/mysqld.sock")
YES = ("1", "yes", "on", "true")
NO = ("0", "no", "off", "false", "")
LEGACY = ("user", "password", "donor", "error_file", "readonly", "defaults_file")
ONE_LOOK = 0.9   # seconds
REQUEST_WAIT = 2.0


class Wrong(Exception):
    """The words cannot be understood."""


def main():
    """Entry of checks/galera-check; the exit code."""
    words = sys.argv[1:]
    if words[:1] in (["-h"], ["--help"]):
        sys.stdout.write(USAGE)
        return 0
    if words[:1] in (["drain"], ["undrain"]):
        return switch(words[0], " ".join(words[1:]))
    try:
        options = parse(words)
        policy = policy_of(options)
    except Wrong as error:
        sys.stderr.write("galera-check: %s\n%s" % (error, USAGE))
        return 2
    from quorate.web import sockets
    http, agents = sockets.from_systemd()
    if not http and not options["listen"]:
        kind, one = sockets.standard_input()
        if kind == "connected":
            return answer_one(one, options, policy)
        http = [one] if kind == "listening" else []
    try:
        http += [sockets.listen(address) for address in options["listen"]]
        agents += [sockets.listen(address) for address in options["agent"]]
    except (OSError, ValueError) as error:
        sys.stderr.write("galera-check: cannot listen: %s\n" % error)
        return 1
    if http:
        return serve(http, agents, options, policy)
    return look_once(options, policy)


def parse(words):
    """The options as a dict. Raises Wrong. Arguments by position are clustercheck's."""
    options = {"listen": [], "agent": [], "json": False, "role": "/"}
    known = ("defaults-file", "socket", "host", "port", "donor", "readonly", "role", "listen", "agent")
    words, legacy = list(words), []
    while words:
        word = words.pop(0)
        name, equals, value = word[2:].partition("=") if word.startswith("--") else ("", "", "")
        if word == "--json":
            options["json"] = True
        elif name in known:
            if not equals:
                if not words:
                    raise Wrong("%s needs a value" % word)
                value = words.pop(0)
            if name in ("listen", "agent"):
                options[name].append(value)
            else:
                options[name.replace("-", "_")] = value
        elif word.startswith("-") and len(word) > 1:
            raise Wrong("unknown option %s" % word)
        else:
            legacy.append(word)
    if len(legacy) > len(LEGACY):
        raise Wrong("too many arguments")
    for name, value in zip(LEGACY, legacy):
        options.setdefault(name, value)
    if len(legacy) > 1:
        sys.stderr.write("galera-check: a password on the command line is readable for every user; put it into %s\n" % CREDENTIALS)
    if not str(options.get("port", "3306")).isdigit():
        raise Wrong("--port is a number")
    return options


def clustercheck():
    """Settings of an existing clustercheck, parsed and never executed."""
    for path in sql.CLUSTERCHECK:
        found = sql.shell_settings(path)
        if found:
            return found
    return {}


def policy_of(options):
    """The Policy by options, else by clustercheck's settings. Raises Wrong."""
    old = clustercheck()
    donor = options.get("donor", old.get("AVAILABLE_WHEN_DONOR", "no")).lower()
    readonly = options.get("readonly", old.get("AVAILABLE_WHEN_READONLY", "yes")).lower()
    for value, allowed in ((donor, YES + NO + ("auto",)), (readonly, YES + NO)):
        if value not in allowed:
            raise Wrong("not yes, no or auto: '%s'" % value)
    return Policy("auto" if donor == "auto" else "yes" if donor in YES else "no", readonly in YES)


def settings_of(options):
    """sql.Settings. Raises sql.Unreadable."""
    host = options.get("host")
    where = None if host else options.get("socket") or next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0])
    port = int(options.get("port", 3306))
    path = options.get("defaults_file") or (CREDENTIALS if os.path.exists(CREDENTIALS) else None)
    if path:
        return sql.from_options_file(path, where)._replace(**({"host": host, "port": port} if host else {}))
    if options.get("user"):
        return sql.Settings(where, host, port, options["user"], options.get("password", ""))
    old = clustercheck()
    if old.get("DEFAULTS_EXTRA_FILE") and os.path.exists(old["DEFAULTS_EXTRA_FILE"]):
        return sql.from_options_file(old["DEFAULTS_EXTRA_FILE"], where)
    if old.get("MYSQL_USERNAME"):
        if old.get("MYSQL_HOST") not in (None, "", "localhost"):
            where, host = None, old["MYSQL_HOST"]
        return sql.Settings(where, host, int(old.get("MYSQL_PORT") or port), old["MYSQL_USERNAME"], old.get("MYSQL_PASSWORD", ""))
    import pwd
    return sql.Settings(where, host, port, pwd.getpwuid(os.geteuid()).pw_name, "")


def switch(word, reason):
    """drain and undrain."""
    from quorate.host import drain
    if os.geteuid() != 0:
        sys.stderr.write("galera-check: only root drains a node: sudo galera-check %s\n" % word)
        return 1
    try:
        drain.set("operator", reason or "by the operator") if word == "drain" else drain.clear("operator")
    except OSError as error:
        sys.stderr.write("galera-check: %s: %s\n" % (error.filename, error.strerror))
        return 1
    left = drain.active()
    sys.stdout.write("Draining: %s\n" % left if left else "Not draining.\n")
    return 0


def fact_now(options, policy):
    """One look, by a connection of its own."""
    from quorate.galera.check import Poller
    poller = Poller(lambda: settings_of(options), policy, timeout=ONE_LOOK)
    try:
        session = sql.Session(settings_of(options))
        poller.look(session)
        session.close(goodbye=poller.fact.status.answered)
        return poller.fact
    except sql.Unreadable as error:
        return poller.fact._replace(health=poller.fact.health._replace(code="refused", sentence=error.reason))


def look_once(options, policy):
    """For people and keepalived: a sentence, and 0 or 1."""
    from quorate.galera import check
    if options["role"] not in check.ROLES:
        sys.stderr.write("galera-check: there is no role %s; one of: %s\n" % (options["role"], " ".join(check.ROLES)))
        return 2
    fact = fact_now(options, policy)
    status, sentence = check.judge(fact, options["role"])
    sys.stdout.write(check.as_json(fact, True) if options["json"] else sentence.strip() + "\n")
    return 0 if status == 200 else 1


def answer_one(one, options, policy):
    """inetd: read the request, answer, end; always with exit code 0, or systemd collects failed units."""
    from quorate.galera.check import Responder
    from quorate.web import request, sockets
    sockets.silence()
    one.settimeout(REQUEST_WAIT)
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
        now = fact_now(options, policy)
        one.sendall(Responder(Still(now)).respond(asked)[0])
        one.shutdown(1)
        while one.recv(65536):
            pass
    except OSError:
        pass
    return 0


class Still:
    """A fact that was asked a moment ago, for a Responder."""

    def __init__(self, fact):
        from time import monotonic
        self.fact, self.asked, self.version = fact, monotonic(), 0


def serve(http, agents, options, policy):
    """The resident server, until SIGTERM."""
    import resource
    import signal
    from quorate.galera.check import Poller, Responder
    from quorate.web import sockets
    from quorate.web.server import Server
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
    sql.driver()  # import it once and before the first question
    poller = Poller(lambda: settings_of(options), policy)
    poller.start()
    responder = Responder(poller)
    told = []

    def tick():
        if not poller.is_alive():
            server.ended = True  # nothing would ever be true again; the service manager starts us anew
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
    if not options["listen"] and not os.environ.get("LISTEN_PID"):
        sockets.silence()  # xinetd
    while poller.version == 0 and poller.is_alive() and not poller.ended.wait(0.01):
        pass  # the first answer is worth waiting for
    sockets.notify("READY=1")
    server.run()
    poller.ended.set()
    return 0 if poller.is_alive() else 1
