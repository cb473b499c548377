# SPDX-License-Identifier: Apache-2.0
"""Files in my.cnf's form, read as MariaDB's and MySQL's programs read them.

Source: mysys/my_default.c of MariaDB 10.11 (search_default_file_with_ext, remove_end_comment) and mysys/my_getopt.c; a
differential test asks my_print_defaults. All is bytes, because the client knows no encoding here. What those programs
would skip in silence, or what they understand and this module does not, is Unreadable with file and line.
"""

import os
from stat import S_ISREG

from quorate.errors import Unreadable

LIBRARY = (b"client", b"client-server", b"client-mariadb")  # groups that every program with MariaDB's library reads
PROGRAM = LIBRARY + (b"mysql", b"mariadb-client")           # and those of the program mysql, which clustercheck runs
BLANK = b" \t\n\v\f\r\xa0"                                  # my_isspace() of latin1: 0xA0 ends some letters in UTF-8
ESCAPED = {ord(key): value for key, value in zip("ntrbs\"'\\", (b"\n", b"\t", b"\r", b"\b", b" ", b'"', b"'", b"\\"))}
LONGEST = 4090                                              # of a line; longer ones are read in pieces there
DEEPEST = 10                                                # files that include each other
PREFIXES = {"skip-": b"0", "disable-": b"0", "enable-": b"1"}

# What the account and the way to the server depend on.
ACCOUNT = ("user", "password", "password1", "host", "port", "socket", "protocol")
# Other options of the programs mysql of MariaDB 10.11 to 11.8 and of MySQL 8.4, which change nothing for a question.
OTHERS = """abort-source-on-error auto-rehash auto-vertical-output batch batch-max-column-width beep binary-as-hex
binary-mode character-sets-dir cleartext-plugin column-names column-type-info commands comments compress
compression-algorithms connect-expired-password connect-timeout database debug debug-check debug-info default-auth
default-character-set delimiter enable-cleartext-plugin execute force get-server-public-key help histignore html
i-am-a-dummy ignore-spaces init-command init-command-add line-numbers load-data-local-dir local-infile
max-allowed-packet max-join-size named-commands net-buffer-length no-auto-rehash no-beep one-database pager
plugin-authentication-kerberos-client-mode plugin-dir print-query-on-error progress-reports prompt quick
quick-max-column-width raw reconnect safe-updates sandbox script-dir secure-auth select-limit server-arg
server-public-key-path show-warnings sigint-ignore silent ssl-fips-mode ssl-session-data
ssl-session-data-continue-on-failed-reuse syslog system-command table tee telemetry-client tls-ciphersuites
tls-sni-servername unbuffered verbose version vertical wait xml zstd-compression-level""".split()

class Option:
    """One line. name: with dashes, without loose- and skip-; value: bytes, None: there is none; loose: it began with
    loose-; switch: with skip-, disable- or enable-; public: every user can read the file. (A named tuple would take
    0.3 ms of each monitor to make.)"""

    __slots__ = ("name", "value", "file", "line", "loose", "switch", "public")

    def __init__(self, file, line, public):
        self.file, self.line, self.public = file, line, public

    def unreadable(self, text):
        """The Unreadable that says so of this option."""
        return _wrong(self.file, self.line, "%s %s" % (self.name, text))


def account(path, groups):
    """The account and the way to the server, as a dict of those of user, password (bytes), host, port, socket, protocol
    and tls that are set. tls: see tls_options.tls. Raises Unreadable."""
    found, others = {}, []
    for option in read(path, groups):
        name, value = option.name, option.value
        if name in ACCOUNT:
            if option.switch and (name, value) == ("password", b"0"):
                value = b""  # skip-password: it has none
            elif value is None or option.switch or (value == b"" and name in ("port", "protocol")):
                raise option.unreadable("has no value.")
            if option.public and name.startswith("password"):
                raise Unreadable("Every user can read the file of credentials: chmod 600 %s" % option.file)
            found["password" if name == "password1" else name] = value if name.startswith("password") else _text(option)
        elif name not in OTHERS:
            others.append(option)
    if others:
        _others(others, found)
    return found


def _others(options, found):
    """The options that are neither known to be without effect nor of the account: TLS, and what is no option."""
    from quorate.galera.server.account.tls_options import NAMES, tls
    for option in options:
        if option.name not in NAMES and not option.loose:
            _unknown(option, NAMES)
    about = [option for option in options if option.name in NAMES]
    if about:
        found["tls"] = tls(about)


def _text(option):
    """The value of an option that is text, checked."""
    try:
        value = option.value.decode("utf-8")
    except UnicodeDecodeError:
        raise option.unreadable("is no UTF-8, in which the server wants it.") from None
    if option.name == "port":
        if not (value.isascii() and value.isdigit() and int(value) < 65536):
            raise option.unreadable("is no number of a port.")
        return int(value)
    if option.name == "protocol":
        value = value.lower()
        if value not in ("tcp", "socket"):
            raise option.unreadable("can be tcp or socket.")
    return value


def _unknown(option, more):
    """Raise Unreadable for an option that no client has. A line that may be a stray password is not shown."""
    whole = sorted(name for name in ACCOUNT + more if name.startswith(option.name))
    if option.value is None:
        raise _wrong(option.file, option.line, "The client has no such option.")
    raise option.unreadable("has to be written as %s." % " or ".join(whole) if whole else
                            "is no option of the client, which would end. Remove it, or write loose-%s." % option.name)


def read(path, groups):
    """The Options of these groups, in the client's order, from a file and those that it includes. Raises Unreadable."""
    found = []
    _read(path, tuple(group.upper() for group in groups), found, 0)
    return found


def _wrong(path, line, text):
    return Unreadable("%s, line %d: %s" % (path, line, text))


def _read(path, groups, found, depth):
    """Append the Options of one file. depth: how many files include it, one in the other."""
    content, public = _content(path, depth > 0)
    lines, group = content.split(b"\n"), None
    for number, line in enumerate(lines, 1):
        text = line.lstrip(BLANK)
        if not text or text[:1] in (b"#", b";"):
            continue
        if len(line) > LONGEST or b"\0" in line:
            raise _wrong(path, number, "The line is too long, or has a zero byte.")
        if text[:1] == b"!":
            if number == len(lines):  # it would lose its last character there
                raise _wrong(path, number, "The client needs a line end after this.")
            if depth == DEEPEST:
                raise _wrong(path, number, "More than %d files include each other." % DEEPEST)
            for name in _included(path, number, text[1:].strip(BLANK)):
                _read(name, groups, found, depth + 1)
        elif text[:1] == b"[":
            name, bracket, _ = text[1:].partition(b"]")
            if not bracket:
                raise _wrong(path, number, "The section has no ].")
            group = name.rstrip(BLANK).upper()
        elif group is None:
            raise _wrong(path, number, "The client accepts no option before the first [section]%s." % (
                ", and no byte order mark" if text.startswith(b"\xef\xbb\xbf") else ""))
        elif group in groups:
            found.append(_option(path, number, text, public))


def _content(path, included):
    """(the bytes of a file, whether every user can read it). included: nothing, when there is no such file."""
    try:
        status = os.stat(path)
        if not S_ISREG(status.st_mode):  # a pipe would hold up the monitor
            raise Unreadable("%s is no file." % path)
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        if included and isinstance(error, FileNotFoundError):
            return b"", False  # the client passes over it
        raise Unreadable("The file %s cannot be read: %s." % (path, error.strerror)) from None
    if status.st_mode & 0o002:
        raise Unreadable("Every user can write the file, and the client ignores it then: chmod 600 %s" % path)
    return content, bool(status.st_mode & 0o004)


def _included(path, number, text):
    """The files that a line with ! includes."""
    word, name = text.split(None, 1) if len(text.split(None, 1)) == 2 else (text, b"")
    if word not in (b"include", b"includedir") or not name:
        raise _wrong(path, number, "Only !include FILE and !includedir DIRECTORY are known.")
    if not name.startswith(b"/"):
        raise _wrong(path, number, "The client takes this path from its working directory: write the whole path.")
    name = os.fsdecode(name)
    if word == b"include":
        return [name]
    try:
        return [os.path.join(name, one) for one in sorted(os.listdir(name), key=os.fsencode) if one.endswith(".cnf")]
    except OSError as error:
        raise _wrong(path, number, "The directory %s cannot be read: %s." % (name, error.strerror)) from None


def _option(path, number, text, public):
    """The Option of one line."""
    option = Option(path, number, public)
    text = text[:_comment(text)]
    name, separator, value = text.partition(b"=")
    name = name.rstrip(BLANK).replace(b"_", b"-")
    if not name or not set(name) <= set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"):
        raise _wrong(path, number, "The client would know no option of this name.")
    name = name.decode("ascii")
    if not separator:
        value = None
    else:
        value = value.strip(BLANK)
        if text.rstrip(BLANK) != text.rstrip(BLANK[:-1]):
            raise _wrong(path, number, "The client cuts off the last byte of the value (A0): put it in quotes.")
        if len(value) > 1 and value[:1] in (b"'", b'"') and value[:1] == value[-1:]:
            value = value[1:-1]
        value = _unescaped(value)
    loose = name.startswith("loose-")
    name, switch = name[6:] if loose else name, False
    for prefix, meant in PREFIXES.items():
        if name.startswith(prefix):
            if value is not None:
                raise _wrong(path, number, "%s takes no value." % name)
            name, value, switch = name[len(prefix):], meant, True
            break
    option.name, option.value, option.loose, option.switch = name, value, loose, switch
    return option


def _comment(text):
    """Where the comment begins: at the first # outside of quotes. len(text): there is none."""
    quote, escaped = None, False
    for place, char in enumerate(text):
        if char in b"'\"" and not escaped:
            quote = char if quote is None else None if quote == char else quote
        if quote is None and char == 35:  # number sign
            return place
        escaped = quote is not None and char == 92 and not escaped  # backslash
    return len(text)


def _unescaped(value):
    if b"\\" not in value:
        return value
    out, rest = bytearray(), iter(range(len(value)))
    for place in rest:
        if value[place] == 92 and place + 1 < len(value):
            following = value[next(rest)]
            out += ESCAPED.get(following) or bytes((92, following))
        else:
            out.append(value[place])
    return bytes(out)
