# SPDX-License-Identifier: Apache-2.0
"""The answers of HAProxy's stats socket to facts. Pure. Columns and values are those of its Management Guide, 9.1 (CSV
format) and 9.3 (show info, show stat), and those that 2.6 and 3.0 send."""

from quorate.haproxy.facts import CUT, FOREIGN, Backend, Frontend, Line, State

QUESTION = "show info;show stat\n"
HEADER = "# pxname,svname,"
STATISTICS = "show stat\n"
INTERNAL = ("GLOBAL", "MASTER")  # the proxies behind the sockets themselves
LISTENER = "3"                   # in the column `type`: a line that `option socket-stats` adds


def state(text):
    """The State in the answer to QUESTION. Every answer of HAProxy ends with an empty line."""
    info, header, table = text.partition(HEADER)
    if not header:
        first = text.strip().splitlines()[:1]
        if not first or "\nPid: " in text:
            return State(CUT, "it closed the connection before it answered")
        return State(FOREIGN, first[0][:100])
    if not table.endswith("\n\n"):
        return State(CUT, "the table of its proxies is incomplete")
    values = dict(line.partition(": ")[::2] for line in info.splitlines())
    frontends, backends = proxies(header + table)
    return State(None, None, whole(values.get("Pid")), values.get("Version"), whole(values.get("Uptime_sec")),
                 values["Stopping"] != "0" if "Stopping" in values else None, whole(values.get("CurrConns")),
                 frontends, backends)


def whole(text):
    """The number in a text of digits, else None."""
    return int(text) if text and text.isdigit() else None


def lines(table):
    """The Lines of the table of `show stat`: frontends, backends and their servers, not the listeners of a frontend. A
    generator. Raises ValueError when it is no such table."""
    rows = (cells(line) for line in table[2:].splitlines() if line)
    names = next(rows, ())
    if not table.startswith("# ") or not {"pxname", "svname", "status"}.issubset(names):
        raise ValueError("HAProxy did not answer with its statistics")
    proxy, name, status = names.index("pxname"), names.index("svname"), names.index("status")
    least = max(proxy, name, status) + 1
    for row in rows:
        more = dict(zip(names[least:], row[least:]))
        if len(row) >= least and row[proxy] not in INTERNAL and more.get("type") != LISTENER:
            yield Line(row[proxy], row[name], row[status], more.get("bck") == "1")


def proxies(table):
    """(Frontends, Backends that have servers) of a table, two tuples. Backends NAME.NODE beside `listen NAME` are left
    out: they serve no client. `quorate plan haproxy` writes them, to know which node accepts connections."""
    frontends, backends, servers = [], [], {}
    for line in lines(table):
        if line.name == "FRONTEND":
            frontends.append(Frontend(line.proxy, line.status))
        elif line.name == "BACKEND":
            up, total = servers.pop(line.proxy, (0, 0))
            if total:
                backends.append(Backend(line.proxy, line.status, up, total))
        else:
            up, total = servers.get(line.proxy, (0, 0))
            servers[line.proxy] = (up + usable(line.status), total + 1)
    listen = {each.name for each in frontends} & {each.name for each in backends}
    return tuple(frontends), tuple(
        each for each in backends if each.name in listen or each.name.partition(".")[0] not in listen)


def usable(status):
    """Whether a server with this status gets new connections: `UP`, `UP 1/3` (on its way down), `no check`."""
    return status.startswith("UP") or status == "no check"


def cells(line):
    """The cells of one line. Few lines have quotes (doubled within quotes), and importing csv is expensive."""
    if '"' not in line:
        return line.split(",")
    found, cell = [], None
    for part in line.split(","):
        cell = part if cell is None else cell + "," + part
        if cell.count('"') % 2 == 0:
            found.append(cell[1:-1].replace('""', '"') if cell.startswith('"') else cell)
            cell = None
    return found if cell is None else found + [cell]
