# SPDX-License-Identifier: Apache-2.0
"""Settings files mean what they mean to the programs that they were written for: my_print_defaults and bash are asked.

A file may be refused, with its name and the line; a value that differs from theirs may not come out.
"""

import os
import shutil
import subprocess

from hypothesis import HealthCheck, example, given, settings, strategies as st
import pytest

from quorate.errors import Unreadable
from quorate.galera.server.account import options_file
from quorate.host.shell import file as shell_file

PRINT_DEFAULTS = shutil.which("my_print_defaults")
GROUPS = ("client", "client-server", "client-mariadb")

often = settings(max_examples=120, deadline=None, print_blob=True,
                 suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


class Share:
    """How many files were read and how many refused: a reader that refuses everything is right, and useless."""

    def __init__(self):
        self.read = self.refused = 0

    def holds(self, least):
        assert self.read >= least * (self.read + self.refused), "%d read, %d refused" % (self.read, self.refused)


def _with(examples):
    """A decorator that adds these examples, which chance makes seldom."""
    def decorate(test):
        for one in examples:
            test = example(one)(test)
        return test
    return decorate


# Options files

SELDOM = [b"[client]\n[ client]\nuser=x\n", b"[client]\nuser=a\\'b # c' # d\n", b"[client]\nuser='a\\' # b' # c\n",
          b"[client]\n!include MORE", b"[client]\nuser=\"\n", b"[client]\nuser='a\"\n", b"[client]\nuser=\\\n",
          b"[client]\nuser=a\\\\sb\\sc\n", b"[client]\nuser=a\xa0\n", b"[client]\nuser=\xa0a\n",
          b"[client]\nuser='a\xa0'\n"]
_pieces = st.sampled_from([b"a", b"n", b"s", b"t", b"r", b"b", b"x", b" ", b"\t", b"'", b'"', b"\\", b"\\\\", b"#",
                           b";", b"=", b"$", b"[", b"]", b"!", "ä".encode(), "à".encode(), b"\xe4", b"\xa0", b"\r",
                           b"\\n", b"\\'", b'\\"', b"\f"])
_blank = st.sampled_from([b"", b"", b"", b" ", b"\t", b"  "])
_mixture = st.lists(_pieces, max_size=9).map(b"".join)
_quoted = st.builds(lambda quote, text: quote + text + quote, st.sampled_from([b"'", b'"']), _mixture)
_value = st.one_of(_mixture, _quoted, st.builds(lambda text, rest: text + b" # " + rest, _quoted, _mixture))
_option = st.builds(lambda a, name, b, c, value, d: a + name + b + b"=" + c + value + d, _blank,
                    st.sampled_from([b"user", b"password", b"host", b"x-y"]), _blank, _blank, _value, _blank)
_section = st.sampled_from([b"[client]", b"[client]", b" [client] # x", b"[client-server]", b"[CLIENT ]", b"[ client]",
                            b"[mysqld]", b"[client-mariadb]x", b"[clients]", b"[client", b"[]"])
_other = st.sampled_from([b"", b"# password=x", b"; x", b"quick", b"user", b"quick # it's", b" \r", b"!include MORE",
                          b"! include MORE ", b"!includedir MANY", b"!include /nonexistent", b"!includ x", b"=x"])
_line = st.one_of(_option, _option, _option, _section, _other)
_file = st.builds(lambda bom, lines, end, last: bom + end.join([b"[client]"] + lines) + last,
                  st.sampled_from([b""] * 9 + [b"\xef\xbb\xbf"]), st.lists(_line, max_size=6),
                  st.sampled_from([b"\n", b"\n", b"\r\n"]), st.sampled_from([b"\n", b"\n", b""]))
_inner = st.builds(lambda lines: b"\n".join([b"[client]"] + lines) + b"\n",
                   st.lists(st.one_of(_option, _section), max_size=3))


def _said(path):
    """What my_print_defaults says, None when it gives up."""
    done = subprocess.run([PRINT_DEFAULTS, "--defaults-file=%s" % path, *GROUPS], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    return done.stdout if done.returncode == 0 and b"Fatal error" not in done.stderr else None


@pytest.mark.skipif(PRINT_DEFAULTS is None, reason="my_print_defaults (mariadb-client) is not installed")
def test_an_options_file_is_read_as_the_client_does(tmp_path):
    many, share = tmp_path / "many", Share()
    many.mkdir()
    names = [tmp_path / "my.cnf", tmp_path / "more.cnf", many / "a.cnf", many / "b.c.cnf"]

    @often
    @_with((one, b"[client]\nuser=more\n", b"", b"") for one in SELDOM)
    @given(st.tuples(_file, _inner, _inner, _inner))
    def same(contents):
        for path, content in zip(names, contents):
            path.write_bytes(content.replace(b"MORE", os.fsencode(names[1])).replace(b"MANY", os.fsencode(many)))
            path.chmod(0o600)
        try:
            found = options_file.read(str(names[0]), options_file.LIBRARY)
        except Unreadable as error:
            share.refused += 1
            assert str(tmp_path) in error.reason and "line" in error.reason
            return
        share.read += 1
        ours = b"".join(b"--%s%s\n" % (option.name.encode(), b"" if option.value is None else b"=" + option.value)
                        for option in found)
        assert ours == _said(names[0])

    same()
    share.holds(0.5)


# Shell

SELDOM_SHELL = ["'A'=x", 'A="\\a"', "A\\=x", "A'='x", '"A"=x', 'A="a\\\nb"', 'A="a\\\\nb"', "A=a\\\nb",
                "A=x B=y true", "export A={b,c}", "A={b,c}", "A=~", "A=b:~", "A=b~", "export A=b=~", "A=a#b #c",
                "A=x;B=y", "A", "export", "A='x' B",
                "A=\"$'x'\"", "A=$'x\\'y'", "A=a\\", "1A=x", "A=x; ; B=y", "A=x &", "A=$\"x\"", "\ufeffA=x"]
_bash_pieces = st.sampled_from(["a", "b", "n", "x", " ", "\t", "'", '"', "\\", "\\\\", "#", ";", "=", "$", "[", "]",
                                "!", "ä", "~", "{", ",", "}", "*", "`", "\\\n", "\n", "%", ":", "|", "&", "<", "(",
                                "\udce4"])
_bash_text = st.lists(_bash_pieces, max_size=7).map("".join)
_simple = st.text("abc!#%=:[]*{},~ä", max_size=6)
_single = st.text("ab \"\\$`#;\n!~ä", max_size=6).map(lambda text: "'%s'" % text)
_double = st.lists(st.sampled_from(["a", " ", "'", "\\\\", '\\"', "\\$", "\\`", "\\a", "#", ";", "ä", "\\\n", "\n"]),
                   max_size=6).map(lambda parts: '"%s"' % "".join(parts))
_c_style = st.lists(st.sampled_from(["a", '"', "\\n", "\\t", "\\\\", "\\'", "\\e", "#", "$", "ä", "\\x41", "\\101"]),
                    max_size=6).map(lambda parts: "$'%s'" % "".join(parts))
_escaped = st.sampled_from(["\\a", "\\ ", "\\'", '\\"', "\\$", "\\#", "\\\\", "\\ä"])
_valued = st.lists(st.one_of(_simple, _single, _double, _c_style, _escaped), max_size=4).map("".join)
_assignment = st.builds(lambda name, value: name + "=" + value, st.sampled_from(["A", "B", "C"]),
                        st.one_of(_valued, _valued, _valued, _bash_text))
_statement = st.one_of(
    _assignment, _assignment,
    st.builds(lambda words, gap: gap.join(words), st.lists(_assignment, min_size=2, max_size=3),
              st.sampled_from([" ", "; ", ";", "\t", " \\\n"])),
    st.builds(lambda word: "export " + word, _assignment),
    st.sampled_from(["# x='", "", "export A", "export A B=x", "true", "A=x true", "A=x; B=y # c", "A+=x", "D=`echo x`",
                     "D=$(echo x)", "D=${E:-x}", "unset A", "if true; then A=y; fi", "export -n A", "A=(x)"]))
_script = st.builds(lambda lines, last: "\n".join(lines) + last, st.lists(_statement, min_size=1, max_size=4),
                    st.sampled_from(["\n", ""]))


def _bash_says(path):
    """The variables after bash has read the file."""
    done = subprocess.run(["bash", "--norc", "-c", "set -a; . %s; exec env -0" % path], env={"HOME": "/h"}, cwd="/",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return dict(item.split(b"=", 1) for item in done.stdout.split(b"\0") if item)


def test_settings_of_clustercheck_are_what_bash_makes_of_them(tmp_path):
    path, share = tmp_path / "clustercheck", Share()

    @often
    @_with(SELDOM_SHELL)
    @given(_script)
    def same(text):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        try:
            found = shell_file.assignments(str(path), ("A", "B", "C"))
        except Unreadable as error:
            share.refused += 1
            assert "%s, line " % path in error.reason
            return
        share.read += 1
        said = _bash_says(path)
        assert {name: value.encode("utf-8", "surrogateescape") for name, value in found.items()} == {
            name: said[name.encode()] for name in "ABC" if name.encode() in said}

    same()
    share.holds(0.3)
