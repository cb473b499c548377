# SPDX-License-Identifier: Apache-2.0
"""The answers of HAProxy's stats socket to facts. Pure. The columns and words are those of its Management Guide, 9.1
(CSV format) and 9.3 (show info, show stat), and of 2.6 and 3.0 as they are."""

from quorate.haproxy.facts import CUT, FOREIGN, Backend, Frontend, State

QUESTION = "show info;show stat\n"
HEADER = "# pxname,svname,"
INTERNAL = ("GLOBAL", "MASTER")  # the proxies behind the sockets themselves


def state(text):
    """The State from the answer to QUESTION; every answer of HAProxy ends with an empty line."""
    info, header, table = text.partition(HEADER)
    if not header:
        first = text.strip().splitlines()[:1]
        if not first or "\nPid: " in text:
            return State(CUT, "it closed the connection before it had answered")
        return State(FOREIGN, first[0][:100])
    if not table.endswith("\n\n"):
        return State(CUT, "the table of its proxies has no end")
    values = dict(line.partition(": ")[::2] for line in info.splitlines())
    frontends, backends = proxies(header + table)
    return State(None, None, whole(values.get("Pid")), values.get("Version"), whole(values.get("Uptime_sec")),
                 values["Stopping"] != "0" if "Stopping" in values else None, whole(values.get("CurrConns")),
                 frontends, backends)


def whole(text):
    """A whole number, None where there is none."""
    return int(text) if text and text.isdigit() else None


def proxies(table):
    """(Frontends, Backends that have servers) of a table. `listen NAME` with backends NAME.NODE beside it is what `quorate plan
    haproxy` writes to know which node takes connections: those serve nobody and are left out."""
    lines = table[2:].rstrip("\n").split("\n")
    names = lines[0].split(",")
    status = names.index("status")
    frontends, backends, servers = [], [], {}
    for line in lines[1:]:
        row = cells(line)
        if len(row) <= status or row[0] in INTERNAL:
            continue
        proxy, service, word = row[0], row[1], row[status]
        if service == "FRONTEND":
            frontends.append(Frontend(proxy, word))
        elif service == "BACKEND":
            up, total = servers.pop(proxy, (0, 0))
            if total:
                backends.append(Backend(proxy, word, up, total))
        elif len(row) <= names.index("type") or row[names.index("type")] == "2":  # 3 is a listener (option socket-stats)
            up, total = servers.get(proxy, (0, 0))
            servers[proxy] = (up + usable(word), total + 1)
    listen = {each.name for each in frontends} & {each.name for each in backends}
    return tuple(frontends), tuple(
        each for each in backends if each.name in listen or each.name.partition(".")[0] not in listen)


def usable(word):
    """Whether a server with this status takes new connections: `UP`, `UP 1/3` (on its way down), `no check`."""
    return word.startswith("UP") or word == "no check"


def cells(line):
    """The cells of one line. Few lines have any quotes (doubled within quotes), and csv is dear to import."""
    if '"' not in line:
        return line.split(",")
    found, cell = [], None
    for part in line.split(","):
        cell = part if cell is None else cell + "," + part
        if cell.count('"') % 2 == 0:
            found.append(cell[1:-1].replace('""', '"') if cell.startswith('"') else cell)
            cell = None
    return found if cell is None else found + [cell]
