# SPDX-License-Identifier: Apache-2.0
"""additional_parameters and wsrep_provider_options: text to options. Pure.

Names of the server's options: '-' and '_' are the same, an unambiguous beginning is enough, and prefixes such as loose-
and skip- may stand before them (MariaDB mysys/my_getopt.c).
"""

from collections import namedtuple

from quorate.galera.server.settings.address import GCOMM_PORT, Misunderstood, host_port

# Read only where they stand before all others (mysys/my_default.c).
FIRST = ("defaults-extra-file", "defaults-group-suffix")
_PREFIXES = ("loose-", "skip-", "enable-", "disable-", "maximum-", "autoset-")
_OWN = "the agent itself decides about it"
# Options that would change what a run of the server is for, or what the agent has to know; and what to do instead.
RESERVED = {
    "wsrep-cluster-address": "use the parameter wsrep_cluster_address", "wsrep-new-cluster": _OWN,
    "wsrep-recover": _OWN, "wsrep-start-position": _OWN, "tc-heuristic-recover": _OWN, "bootstrap": _OWN,
    "initialize": _OWN, "initialize-insecure": _OWN, "help": _OWN, "version": _OWN, "daemonize": _OWN,
    "print-defaults": _OWN, "user": "use the parameter user", "defaults-file": "use the parameter config",
    "no-defaults": "use the parameter config, with an empty file",
}
# Options that a parameter of the same meaning sets, if it is set.
PARAMETERS = {"datadir": "datadir", "socket": "socket", "pid-file": "pid", "log-error": "log"}


class Options(namedtuple("Options", "first rest", defaults=((), ()))):
    """additional_parameters. first: the options that count only at the beginning of a command line; rest: the others.
    Tuples of words."""

    __slots__ = ()


def additional(parameters):
    """The Options of additional_parameters, split as a shell does it. Raises Misunderstood."""
    import shlex
    text = parameters.additional_parameters or ""
    try:
        words = shlex.split(text)
    except ValueError as error:  # "No closing quotation"
        raise Misunderstood("additional_parameters cannot be split into words (%s): %s" % (
            str(error).lower(), text)) from None
    for word in words:
        _check(word, parameters)
    first = tuple(word for word in words if name_of(word) in FIRST)
    if parameters.config and any(name_of(word) == "defaults-extra-file" for word in first):
        raise Misunderstood("additional_parameters: the server does not read the file of --defaults-extra-file beside "
                            "that of the parameter config.")
    return Options(first, tuple(word for word in words if word not in first))


def _check(word, parameters):
    name = name_of(word)
    if not word.startswith("--") or not name:
        raise Misunderstood("additional_parameters: '%s' is not a server option; write --name=value." % word)
    # A beginning of a name is enough for the server. None of these is the beginning of another option.
    for reserved, remedy in RESERVED.items():
        if reserved.startswith(name):
            raise Misunderstood("additional_parameters: --%s does not belong there: %s." % (reserved, remedy))
    for option, parameter in PARAMETERS.items():
        if option.startswith(name) and getattr(parameters, parameter):
            raise Misunderstood("additional_parameters: --%s is set by the parameter %s as well." % (option, parameter))


def name_of(word):
    """The name in '--loose-wsrep_on=ON': 'wsrep-on'."""
    name = word[2:].partition("=")[0].strip().replace("_", "-")
    while name.startswith(_PREFIXES):
        name = name.partition("-")[2]
    return name


class Provider(namedtuple("Provider", "base_port listen_port weight ignore_sb ignore_quorum recovery bootstrap",
                          defaults=(GCOMM_PORT, GCOMM_PORT, 1, False, False, True, False))):
    """What Galera is told, with its own defaults (26.4, gcomm defaults.cpp).

    base_port: of the others, where wsrep_cluster_address has none for them (gmcast.cpp, set_initial_addr); listen_port: of
    this server; weight, ignore_sb, ignore_quorum, recovery, bootstrap: pc.*
    """

    __slots__ = ()


def proof_problems(found):
    """Settings of a Provider with which the election's proofs do not hold, as sentences with the remedy; [] if there is
    none. See docs/decisions/0013-settings-that-break-the-proof.md."""
    problems = []
    if found.bootstrap:
        problems.append("pc.bootstrap is on, so each start of this server opens a cluster of its own: remove it.")
    if found.ignore_sb or found.ignore_quorum:
        problems.append("%s is on, so separated nodes both commit, and no proof holds: remove it. For two nodes there is "
                        "two_node_mode." % ("pc.ignore_quorum" if found.ignore_quorum else "pc.ignore_sb"))
    if found.weight != 1:
        problems.append("pc.weight is %d, but the election counts each node once: remove it. To outvote a site, run garbd."
                        % found.weight)
    return problems


def provider(options, query, node_address):
    """The Provider by wsrep_provider_options (text or None), the options of wsrep_cluster_address (dict), which go before
    those, and wsrep_node_address (text or None), whose port is the base_port where no option says it
    (replicator_smm_params.cpp). Raises Misunderstood."""
    given = provider_options(options or "")
    # The base port is read from the provider's options only (gmcast.cpp).
    base = _number("base_port", given.get("base_port"), 1, 65535)
    if base is None and node_address:
        host, base = host_port(node_address.strip())
        if host is None:
            raise Misunderstood("wsrep_node_address is not a host or host:port: '%s'." % node_address)
    base = base or GCOMM_PORT
    given.update(query)
    weight = _number("pc.weight", given.get("pc.weight"), 0, 255)
    return Provider(
        base_port=base, listen_port=_listen_port(given.get("gmcast.listen_addr")) or base,
        weight=1 if weight is None else weight,
        ignore_sb=_boolean("pc.ignore_sb", given.get("pc.ignore_sb"), False),
        ignore_quorum=_boolean("pc.ignore_quorum", given.get("pc.ignore_quorum"), False),
        recovery=_boolean("pc.recovery", given.get("pc.recovery"), True),
        bootstrap=_boolean("pc.bootstrap", given.get("pc.bootstrap"), False))


def provider_options(text):
    """wsrep_provider_options as Galera splits them (galerautils gu_config.cpp): name=value, separated by ';', a backslash
    before ';' or '=' makes it part of a value. dict of texts. Raises Misunderstood."""
    found = {}
    for number, part in enumerate(_split(text, ";"), 1):
        pieces = [piece.strip() for piece in _split(part, "=")]
        if pieces == [""]:
            continue
        if len(pieces) != 2 or not pieces[0]:  # not shown: it can be a piece of a password
            raise Misunderstood("wsrep_provider_options: part %d%s is not name=value." % (
                number, " (%s)" % pieces[0] if len(pieces) > 1 and pieces[0] else ""))
        found[pieces[0]] = pieces[1].replace("\\;", ";").replace("\\=", "=")
    return found


def _split(text, separator):
    """Parts of a text, where a separator after a backslash separates nothing."""
    parts = [""]
    for piece in text.split(separator):
        if parts[-1].endswith("\\"):
            parts[-1] += separator + piece
        else:
            parts.append(piece)
    return parts[1:]


def _listen_port(text):
    """The port of gmcast.listen_addr, such as tcp://0.0.0.0:4567, None when it has none. Galera passes over a / behind
    it."""
    if not text:
        return None
    host, port = host_port((text.partition("://")[2] if "://" in text else text).partition("/")[0])
    if host is None:
        raise Misunderstood("gmcast.listen_addr is not an address: '%s'." % text)
    return port


def _number(name, text, least, most):
    if text is None:
        return None
    if not text.isdigit() or not text.isascii() or not least <= int(text) <= most:
        raise Misunderstood("%s is not a number from %d to %d: '%s'." % (name, least, most, text))
    return int(text)


def _boolean(name, text, otherwise):
    """As gu_str2bool of Galera (galerautils gu_utils.c), which takes a few words more."""
    if text is None:
        return otherwise
    value = {"0": False, "n": False, "no": False, "off": False, "false": False, "none": False, "nope": False,
             "1": True, "y": True, "yes": True, "on": True, "true": True, "yep": True, "yeah": True, "sure": True}.get(
                 text.lower())
    if value is None:
        raise Misunderstood("%s is neither yes nor no: '%s'." % (name, text))
    return value
