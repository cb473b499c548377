# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ's files and variables mean what they mean to RabbitMQ: rabbitmq-env with rabbit_env, cuttlefish and
file:consult are asked, those that this machine has. They are asked about many files at once: each starts Erlang.

What is refused here may be readable there; a value that differs from theirs may not come out.
"""

import glob
import os
import random
import subprocess

import pytest

from quorate.errors import Unreadable
from quorate.rabbitmq.broker.settings import conf, terms
from quorate.rabbitmq.broker.settings.places import cookie, places
from quorate.rabbitmq.broker.settings.variables import Variables

PLUGINS = next(iter(glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins")), None)
SCRIPTS = "/usr/lib/rabbitmq/bin"
SEED = int(os.environ.get("QUORATE_SEED", random.SystemRandom().randrange(1000000)))
pytestmark = pytest.mark.skipif(not PLUGINS, reason="RabbitMQ is not installed")


def erlang(code, arguments=(), environ=None, before="true"):
    """The output of Erlang code with RabbitMQ's modules; before: shell commands in front of it."""
    script = "%s; exec erl -noshell -pa %s/*/ebin -eval \"$CODE\" -extra \"$@\"" % (before, PLUGINS)
    code = "io:setopts([{encoding, unicode}]), " + code
    done = subprocess.run(["sh", "-c", script, "sh"] + list(arguments), text=True, timeout=120, check=False,
                          env=dict(environ or {}, PATH="/usr/sbin:/usr/bin:/sbin:/bin", HOME="/root", CODE=code,
                                   LC_ALL="C.UTF-8"),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return done.stdout


# variables

CONTEXT = """
C = rabbit_env:get_context(),
Dir = maps:get(data_dir, C), Mnesia = maps:get(mnesia_dir, C, Dir),
[io:format("~ts~n", [X]) || X <- [atom_to_list(maps:get(nodename, C)), Mnesia, maps:get(main_log_file, C),
                                   maps:get(feature_flags_file, C), maps:get(pid_file, C), maps:get(amqp_ipaddr, C),
                                   integer_to_list(maps:get(amqp_tcp_port, C)),
                                   integer_to_list(maps:get(erlang_dist_tcp_port, C)),
                                   atom_to_list(maps:get(erlang_cookie, C))]], halt().
"""
CASES = (
    ("", {}), ("NODENAME=bunny # c\n", {}), ("export NODENAME='bunny'\nMNESIA_BASE=/d/\n", {}),
    ("NODENAME=bunny@n1.example.org\nUSE_LONGNAME=yes # c\nLOG_BASE=/l//x/\n", {}),
    ("USE_LONGNAME=YES\nNODENAME=b@h\nMNESIA_DIR=/e/\n", {}), ("USE_LONGNAME=on\n", {}), ("USE_LONGNAME=' 1 '\n", {}),
    ("RABBITMQ_NODENAME=hare\nNODENAME=bunny\n", {}), ("RABBITMQ_NODENAME=\nNODENAME=bunny\n", {}),
    ("NODENAME=\n", {}), ("NODENAME=bunny\n", {"RABBITMQ_NODENAME": "fox"}), ("NODENAME=bunny\n", {"NODENAME": "fox"}),
    ("RABBITMQ_NODENAME=bunny\n", {"RABBITMQ_NODENAME": "fox"}), ("NODENAME=bunny\n", {"RABBITMQ_NODENAME": ""}),
    ("RABBITMQ_MNESIA_BASE=/x\nMNESIA_DIR=/y\n", {"RABBITMQ_MNESIA_BASE": "/z"}),
    ("DATA=/srv\nMNESIA_BASE=$DATA/mnesia\nLOG_BASE=${DATA}/log\n", {}), ("MNESIA_BASE=$MNESIA_BASE/x\n", {}),
    ("NODE_IP_ADDRESS=192.0.2.11\nNODE_PORT=5000\n", {}), ("NODE_PORT=5000\nDIST_PORT=6000\n", {}),
    ("LOGS=/l/mq.log\nPID_FILE=/run/x.pid\n", {}), ("ulimit -n 1024\nif true; then X=1; fi\nNODENAME=b\n", {}),
    ("ERLANG_COOKIE=abc\n", {}), ("RABBITMQ_ERLANG_COOKIE=p\nERLANG_COOKIE=abc\n", {}),
    ("ERLANG_COOKIE=abc\n", {"RABBITMQ_ERLANG_COOKIE": "e"}), ("RABBITMQ_ERLANG_COOKIE=\n", {}),
    (". INC\nMNESIA_BASE=/b\n", {}), ("[ -f INC ] && . INC\n", {}), ("if [ -r INC ]; then\n. INC\nfi\nNODE_PORT=1\n", {}),
    ("[ -f INC.none ] && . INC.none\nNODENAME=b\n", {}), (". INC\n", {"RABBITMQ_NODENAME": "fox"}),
    ("FEATURE_FLAGS_FILE=/f\n", {}), ("RABBITMQ_FEATURE_FLAGS_FILE=/f\n", {}),
)


@pytest.mark.parametrize("text, environ", CASES)
def test_variables_are_those_of_rabbitmq(tmp_path, text, environ):
    env = tmp_path / "env.conf"
    (tmp_path / "included").write_text("NODENAME=inc\nLOG_BASE=/li\nexport RABBITMQ_MNESIA_DIR=/mi/\n")
    env.write_text(text.replace("INC", str(tmp_path / "included")))
    environ = dict(environ, RABBITMQ_CONF_ENV_FILE=str(env))
    said = erlang(CONTEXT, environ=dict(environ, RABBITMQ_SCRIPTS_DIR=SCRIPTS),
                  before=". %s/rabbitmq-env" % SCRIPTS).splitlines()

    found = places(environ=environ)

    assert said[:5] == [found.nodename, found.directory, found.log, found.feature_flags, found.pid_file]
    assert int(said[7]) == found.distribution
    assert said[8] == (cookie(Variables(environ)) or "undefined")
    first = found.configured.amqp[0]
    assert (first.host or "auto", str(first.port)) == (said[5], said[6])


# rabbitmq.conf

FILES = """
[case cuttlefish_conf:files([F]) of
    {errorlist, _} -> io:format("~ts|~n", [F]);
    Found -> [io:format("~ts|~ts|~ts~n", [F, string:join(K, "."), V]) || {K, V} <- Found]
 end || F <- init:get_plain_arguments()], halt().
"""
# Single quotes at the beginning belong to the value for cuttlefish 3.0.1 (RabbitMQ 3.10.8), and not for 3.4 (4.0.5):
# see tests/unit.
VALUES = ("5672", "192.0.2.11:5672", "none", "a b", "a#b", "a # b", "", "\"q\"", "/a/b", "a = b", "a\tb", "false",
          "  z  ", "# c", "$(a)", "x'y'")


def a_conf(chance):
    lines = []
    for _ in range(chance.randrange(1, 5)):
        name = chance.choice(("listeners.tcp.1", "listeners.tcp", "a-b_c.D", "x", "x.y", "log.file"))
        lines.append(chance.choice((
            "%s = %s" % (name, chance.choice(VALUES)), "%s=%s" % (name, chance.choice(VALUES)),
            "  %s   =\t%s " % (name, chance.choice(VALUES)), "# %s = 1" % name, "", "   ", "#", "  # c",
            chance.choice(("nonsense", "x y = 1", "= 3", "x. = 1", "x..y = 1")) if chance.random() < 0.2 else "k = v")))
    return "\n".join(lines) + chance.choice(("", "\n", "\n\n"))


def test_rabbitmq_conf_is_read_as_cuttlefish_reads_it(tmp_path):
    print("QUORATE_SEED=%d" % SEED)
    chance, mine, read = random.Random(SEED), {}, 0
    for number in range(300):
        path = tmp_path / ("%d.conf" % number)
        path.write_text(a_conf(chance), encoding="utf-8")
        try:
            mine[str(path)] = {name: one.value for name, one in conf.read([str(path)]).items()}
            read += 1
        except Unreadable as error:
            assert "%s, line " % path in error.reason
            mine[str(path)] = None
    said = {path: {} for path in mine}
    for line in erlang(FILES, sorted(mine)).splitlines():
        path, _, rest = line.partition("|")
        name, separator, value = rest.partition("|")
        if separator:
            said[path][name] = value.rstrip()  # blanks at the end of a file without a last line end are kept
        else:
            said[path] = None

    for path, found in mine.items():
        if found is not None and said[path] is not None:
            with open(path, encoding="utf-8") as file:
                assert found == said[path], file.read()
    assert read > 100
    refused = [path for path, found in mine.items() if found is None and said[path] is not None]
    assert len(refused) < 15, [open(path, encoding="utf-8").read() for path in refused]


# terms

CONSULT = """
Show = fun Show(X) when is_list(X), X =/= [] ->
             case io_lib:printable_unicode_list(X) of true -> ["s(", integer_to_list(length(X)), ":", X, ")"];
                 false -> ["[", [[Show(Y), ","] || Y <- X], "]"] end;
           Show([]) -> "[]"; Show(X) when is_tuple(X) -> ["{", [[Show(Y), ","] || Y <- tuple_to_list(X)], "}"];
           Show(X) when is_atom(X) -> ["a(", atom_to_list(X), ")"];
           Show(X) when is_binary(X) -> Show(unicode:characters_to_list(X));
           Show(X) when is_map(X) -> ["m", Show(lists:sort(maps:to_list(X)))];
           Show(X) when is_integer(X) -> integer_to_list(X); Show(X) -> io_lib:format("~.7e", [X]) end,
[case file:consult(F) of {ok, Ts} -> io:format("~ts|~ts~n", [F, [Show(T) || T <- Ts]]);
     _ -> io:format("~ts~n", [F]) end || F <- init:get_plain_arguments()], halt().
"""
ATOMIC = ("1", "-5", "16#ff", "1_000", "2.5", "1.0e3", "$a", "$\\n", "$ ", "atom", "'an atom'", "'a\\'b'", '"text"',
          '"two" "parts"', '"a\\\\b\\"c"', '"\\x{e4}"', '"\\101"', '<<"bin">>', "<<1,2>>", "<<>>", "[]", "{}", "true",
          "false", '""', "fun x/1", "X", "#{a => 1}", "a@b", "undefined", '"%"', "'%'", "1.", '"""\nx\n"""')


def a_term(chance, depth=0):
    if depth > 3 or chance.random() < 0.4:
        return chance.choice(ATOMIC)
    inside = [a_term(chance, depth + 1) for _ in range(chance.randrange(4))]
    gap = chance.choice((", ", ",", ",\n  ", ", % c } ]\n"))
    return chance.choice(("[%s]", "{%s}", "[ %s ]", "{\n%s}")) % gap.join(inside)


def shown(term):
    """The same text as CONSULT makes."""
    if isinstance(term, bool):
        return "a(%s)" % str(term).lower()
    if isinstance(term, terms.Atom):
        return "a(%s)" % term
    if isinstance(term, str):
        printable = term.isprintable() or all(one.isprintable() or one in "\n\r\t\v\b\f\x1b" for one in term)
        return "[]" if not term else "s(%d:%s)" % (len(term), term) if printable else "[%s]" % "".join(
            "%d," % ord(one) for one in term)
    if isinstance(term, list):
        if term and all(isinstance(one, int) and not isinstance(one, bool) for one in term) and all(
                0 < one < 0x110000 and (chr(one).isprintable() or one in (8, 9, 10, 11, 12, 13, 27)) for one in term):
            return shown("".join(map(chr, term)))
        return "[%s]" % "".join(shown(one) + "," for one in term) if term else "[]"
    if isinstance(term, tuple):
        return "{%s}" % "".join(shown(one) + "," for one in term)
    if isinstance(term, dict):
        return "m[%s]" % "".join(shown(one) + "," for one in sorted(term.items()))
    return "%.6e" % term if isinstance(term, float) else str(term)


def test_terms_are_read_as_erlang_reads_them(tmp_path):
    print("QUORATE_SEED=%d" % SEED)
    chance, mine, read = random.Random(SEED), {}, 0
    for number in range(400):
        path = tmp_path / ("%d.config" % number)
        text = "%% c\n" + chance.choice(("%s.\n", "[%s].", "%s. %% end", "{%s}.\n\n", "%s\n")) % a_term(chance)
        path.write_text(text, encoding="utf-8")
        try:
            mine[str(path)] = "".join(map(shown, terms.parse(str(path), text)))
            read += 1
        except Unreadable as error:
            assert "%s, line " % path in error.reason
            mine[str(path)] = None
    output, said = erlang(CONSULT, sorted(mine)), {}
    for block in output.split(str(tmp_path) + "/")[1:]:
        name, separator, text = block.partition("|")
        said["%s/%s" % (tmp_path, name.strip())] = text[:-1] if separator else None

    for path, found in mine.items():
        with open(path, encoding="utf-8") as file:
            if found is not None:
                assert said[path] is not None and found.replace("e+0", "e+") == said[path], (
                    file.read())
    assert read > 150
