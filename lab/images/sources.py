# SPDX-License-Identifier: Apache-2.0
"""Where packages come from: this machine's apt sources, reduced to Debian's, for another suite. Pure.

Mirrors differ from machine to machine, so none is named here: an image is made from the mirrors that the machine itself
uses.
"""

from typing import List, NamedTuple, Tuple

SUITES = ("bookworm", "trixie")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_POCKETS = ("", "-updates", "-security")


class Source(NamedTuple):
    """One deb line: `uri` without a trailing slash, `suite` with its pocket (bookworm-security), `components`."""

    uri: str
    suite: str
    components: Tuple[str, ...]


def parse(text: str, name: str) -> List[Source]:
    """Sources in one file of /etc/apt: deb822 if its `name` ends in .sources, one-line form if in .list, else none."""
    if name.endswith(".sources"):
        return _parse_deb822(text)
    if name.endswith(".list"):
        return _parse_lines(text)
    return []


def _parse_lines(text):
    found = []
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        if not line.startswith("deb "):
            continue
        rest = line[4:].strip()
        if rest.startswith("["):
            rest = rest.partition("]")[2].strip()
        words = rest.split()
        if len(words) >= 3:
            found.append(Source(words[0].rstrip("/"), words[1], tuple(words[2:])))
    return found


def _parse_deb822(text):
    found = []
    fields, last = {}, None
    for line in text.splitlines() + [""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            found.extend(_from_stanza(fields))
            fields, last = {}, None
        elif line[0] in " \t" and last:
            fields[last] += " " + line.strip()
        elif ":" in line:
            last, _, value = line.partition(":")
            last = last.strip().lower()
            fields[last] = value.strip()
    return found


def _from_stanza(fields):
    if "deb" not in fields.get("types", "").split():
        return
    if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
        return
    components = tuple(fields.get("components", "").split())
    for uri in fields.get("uris", "").split():
        for suite in fields.get("suites", "").split():
            yield Source(uri.rstrip("/"), suite, components)


def is_debian(source: Source) -> bool:
    """Whether this is Debian's own archive or a mirror of it, by its suite, its component and a word in its path."""
    base = source.suite.split("-")[0].split("/")[0]
    if base not in SUITES + ("bullseye", "forky", "stable", "oldstable", "testing"):
        return False
    if "main" not in source.components or "://" not in source.uri:
        return False
    path = source.uri.split("://", 1)[1].partition("/")[2]
    return any(part in ("debian", "debian-security") for part in path.split("/"))


def for_suite(sources: List[Source], suite: str) -> List[Source]:
    """The Debian sources among `sources`, with `suite` as their suite: main only, the archive itself first, no
    backports."""
    chosen = []
    for source in sources:
        if not is_debian(source):
            continue
        base, dash, pocket = source.suite.partition("-")
        if "/" in base:  # buster/updates: the name of the security archive before bullseye
            continue
        renamed = Source(source.uri, suite + dash + pocket, ("main",))
        if dash + pocket in _POCKETS and renamed not in chosen:
            chosen.append(renamed)
    chosen.sort(key=lambda source: _POCKETS.index(source.suite[len(suite):]))
    return chosen


def as_list(sources: List[Source], keyring: str = KEYRING) -> str:
    """`sources` in the one-line form, which every apt reads."""
    return "".join("deb [signed-by=%s] %s %s %s\n" % (keyring, s.uri, s.suite, " ".join(s.components)) for s in sources)


def acquire_settings(dump: str) -> str:
    """The lines of `apt-config dump` on how to fetch (proxy, validity of dates): the image needs those of this
    machine."""
    keep = []
    for line in dump.splitlines():
        if not line.startswith("Acquire::") or line.startswith("Acquire::IndexTargets") or '"";' in line:
            continue
        if line.startswith(("Acquire::Changelogs", "Acquire::Languages", "Acquire::Compression")):
            continue
        keep.append(line)
    return "\n".join(keep) + "\n" if keep else ""
