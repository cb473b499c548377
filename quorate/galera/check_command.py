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
       galera-check drain [REASON...]              root only: answer 404, so that HAProxy sends no new connections
       galera-check undrain                        root only: answer again what is true

  --defaults-file FILE    credentials in my.cnf's form, [client] section (default: /etc/quorate/galera-check.cnf if it exists,
                          then clustercheck's settings, then the user this runs as, on the socket)
  --socket PATH           the server's socket (default: found)
  --host HOST --port N    over TCP instead
  --extra-port N          the server's extra_port or admin_port, tried when it has no connection left; needs a password
  --settings FILE         clustercheck's settings (default: /etc/sysconfig/clustercheck, then /etc/default/clustercheck)
  --donor yes|no|auto     is a donor fit? auto: unless the state transfer blocks it (default: no)
  --readonly yes|no       is a read-only node fit? (default: yes)
  --role PATH             with one look: the role to judge (/, /writer, /reader, /live)
  --agent [HOST:]PORT     serve HAProxy's agent-check on this port too
  --json                  with one look: everything that is known
  --drain-directory DIR   marks of a drain, also with drain and undrain (default: /run/quorate/drain)
"""
CREDENTIALS = "/etc/quorate/galera-check.cnf"
YES = ("1", "yes", "on", "true")
NO = ("0", "no", "off", "false", "")
KNOWN = ("defaults-file", "socket", "host", "port", "extra-port", "settings", "donor", "readonly", "role", "listen", "agent",
         "drain-directory")
LEGACY = ("user", "password", "donor", "error_file", "readonly", "defaults_file")
ONE_LOOK = 0.9   # seconds
FIRST_LOOK = 2.0  # seconds that the first answer is worth waiting for
ALL_OF_IT = 5     # seconds after which an inetd process ends, whatever it is doing


class Wrong(Exception):
    """The words cannot be understood."""


def main():
    """Entry of checks/galera-check; the exit code."""
    words = sys.argv[1:]
    if words[:1] in (["-h"], ["--help"]):
        sys.stdout.write(USAGE)
        return 0
    try:
        if words[:1] in (["drain"], ["undrain"]):
            return switch(words[0], words[1:])
        options = parse(words)
        policy = policy_of(options)
    except Wrong as error:
        sys.stderr.write("galera-check: %s\n%s" % (error, USAGE))
        return 2
    except sql.Unreadable as error:
        sys.stderr.write("galera-check: %s\n" % error.reason)
        policy = Policy()  # the strict one; whoever asks gets this reason as well if the credentials are in that file
    from quorate.web import sockets
    http, agents = sockets.from_systemd()
    if not http and not options["listen"]:
        one = sockets.standard_input()
        http = [one] if one else []
    if http and not sockets.is_listening(http[0]):
        return answer_one(http[0], options, policy)
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
    words, legacy = list(words), []
    while words:
        word = words.pop(0)
        name, equals, value = word[2:].partition("=") if word.startswith("--") else ("", "", "")
        if word == "--json":
            options["json"] = True
        elif name in KNOWN:
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
    for name in ("port", "extra_port"):
        if not options.get(name, "1").isdigit():
            raise Wrong("--%s is a number" % name.replace("_", "-"))
    return options


def clustercheck(options):
    """Settings of an existing clustercheck, parsed and never executed. Raises sql.Unreadable."""
    for path in [options["settings"]] if "settings" in options else sql.CLUSTERCHECK:
        found = sql.shell_settings(path)
        if found:
            return found
    return {}


def policy_of(options):
    """The Policy by options, else by clustercheck's settings. Raises Wrong and sql.Unreadable."""
    old = clustercheck(options)
    donor = options.get("donor", old.get("AVAILABLE_WHEN_DONOR", "no")).lower()
    readonly = options.get("readonly", old.get("AVAILABLE_WHEN_READONLY", "yes")).lower()
    for value, allowed in ((donor, YES + NO + ("auto",)), (readonly, YES + NO)):
        if value not in allowed:
            raise Wrong("not yes, no or auto: '%s'" % value)
    return Policy("auto" if donor == "auto" else "yes" if donor in YES else "no", readonly in YES)


def settings_of(options):
    """sql.Settings. Raises sql.Unreadable."""
    found = _credentials(options)
    if options.get("host"):
        found = found._replace(socket=None, host=options["host"], port=int(options.get("port", found.port)))
    return found._replace(extra_port=int(options["extra_port"]) if "extra_port" in options else None)


def _credentials(options):
    """Who asks, and where: by option, by our own file, by clustercheck's settings, else as the user that this runs as."""
    where = options.get("socket")
    path = options.get("defaults_file") or (CREDENTIALS if os.path.exists(CREDENTIALS) else None)
    if path:
        return sql.from_options_file(path, where)
    if options.get("user"):
        return sql.Settings(where or sql.usual_socket(), user=options["user"], password=options.get("password", ""))
    old = clustercheck(options)
    if old.get("DEFAULTS_EXTRA_FILE") and os.path.exists(old["DEFAULTS_EXTRA_FILE"]):
        return sql.from_options_file(old["DEFAULTS_EXTRA_FILE"], where)
    if old.get("MYSQL_USERNAME"):
        host = None if where or old.get("MYSQL_HOST") in (None, "", "localhost") else old["MYSQL_HOST"]
        port = old.get("MYSQL_PORT", "")
        return sql.Settings(None if host else where or sql.usual_socket(), host, int(port) if port.isdigit() else 3306,
                            old["MYSQL_USERNAME"], old.get("MYSQL_PASSWORD", ""))
    import pwd
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise sql.Unreadable("The user id %d of this process has no name to log in with; write [client] user and password "
                             "into %s." % (os.geteuid(), CREDENTIALS)) from None
    return sql.Settings(where or sql.usual_socket(), user=name)


def mark_of(options):
    """The function that says whether this node drains."""
    from functools import partial
    from quorate.host import drain
    return partial(drain.active, options.get("drain_directory", drain.DIRECTORY))


def switch(word, words):
    """drain and undrain. Raises Wrong."""
    from quorate.host import drain
    directory = drain.DIRECTORY
    if words and words[0].startswith("--drain-directory="):
        directory = words.pop(0).partition("=")[2]
    if words and words[0].startswith("-") or word == "undrain" and words:
        raise Wrong("%s does not know %s" % (word, words[0]))
    if os.geteuid() != 0:
        sys.stderr.write("galera-check: only root drains a node: sudo galera-check %s\n" % word)
        return 1
    try:
        if word == "drain":
            drain.set("operator", " ".join(words) or "by the operator", directory)
        else:
            drain.clear("operator", directory)
    except OSError as error:
        sys.stderr.write("galera-check: %s: %s\n" % (error.filename, error.strerror))
        return 1
    left = drain.active(directory)
    sys.stdout.write("Draining: %s\n" % left if left else "Not draining.\n")
    return 0 if bool(left) == (word == "drain") else 1


def fact_now(options, policy):
    """One look, by a connection of its own."""
    from quorate.galera.check import Poller, unusable
    try:
        poller = Poller(None, policy, mark_of(options), timeout=ONE_LOOK)
        session = sql.Session(settings_of(options))
        poller.look(session)
        session.close(goodbye=poller.fact.status.answered)
        return poller.fact
    except sql.Unreadable as error:
        return unusable(error.reason)


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
    """inetd: read the request, answer, end; in time, and always with exit code 0, or systemd collects failed units."""
    import signal
    from quorate.galera.check import Responder
    from quorate.web import request, sockets
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.alarm(ALL_OF_IT)
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
        one.sendall(Responder(Still(fact_now(options, policy))).respond(asked)[0])
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
    poller = Poller(lambda: settings_of(options), policy, mark_of(options))
    poller.start()
    responder = Responder(poller)
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
    if not options["listen"] and not os.environ.get("LISTEN_PID"):
        sockets.silence()  # xinetd
    poller.looked.wait(FIRST_LOOK)
    sockets.notify("READY=1")
    server.run()
    poller.ended.set()
    return 0 if poller.is_alive() else 1
