# SPDX-License-Identifier: Apache-2.0
"""Whether heartbeat rows make progress. Pure.

A service writes the times of its heartbeat by the clock of its node, the database knows its own, and this node has a
third one. How old a row is can therefore not be told where two of them differ. But a row that was other than at an
earlier look was written meanwhile, whatever the clocks say, and how long it has been the same is measured by the
monotonic clock of this node alone.
"""

from quorate.openstack.symptoms.detect import STARTUP

MOST = 300  # rows that are remembered; Heat keeps those of dead engines
BEGAN, LOOKED, PARENT = "began", "looked", "parent"  # of HEARTBEATS_FILE; the other lines are rows


def follow(lines, rows, parent, age, now):
    """(lines to remember, Rows with what is known of their progress).

    lines: what was remembered at the last look, a dict of texts ({}: nothing); rows: Rows as they were read; parent:
    text that stands for the process whose rows they are: of another one nothing is known; age: seconds since it was
    started; now: monotonic seconds.
    """
    began, looked = _number(lines.get(BEGAN)), _number(lines.get(LOOKED))
    if lines.get(PARENT) != parent or None in (began, looked) or not began <= looked <= now:
        lines, began, looked = {}, now, None
    marks = {}
    for row in rows.rows:
        marks.setdefault(row.name, []).append(row.mark or "")
    kept = {BEGAN: "%.1f" % began, LOOKED: "%.1f" % now, PARENT: parent}
    known, early = {}, looked is None or age - (now - looked) < STARTUP
    for name, texts in list(marks.items())[:MOST]:
        since, changes = _one(lines.get(_key(name), ""), _key("|".join(sorted(texts))), looked, now, early)
        kept[_key(name)] = "%.1f %d %s" % (since, changes, _key("|".join(sorted(texts))))
        known[name] = max(0.0, now - since), changes
    found = tuple(row._replace(unchanged=known[row.name][0], changes=known[row.name][1]) if row.name in known else row
                  for row in rows.rows)
    return kept, rows._replace(rows=found, watched=now - began)


def _one(line, mark, looked, now, early):
    """(since when a row has been as it is, its number of changes as in facts.Row)."""
    words = line.split(" ")
    since = _number(words[0])
    if len(words) != 3 or since is None or words[1] not in ("0", "1", "2"):
        return now, 0 if looked is None else 1  # a row that is new was written just now
    changes = int(words[1])
    if words[2] == mark:
        return since, changes
    return now, max(changes, 1 if early else 2)


def _key(text):
    """Text without a blank or a line break."""
    return "row:" + text.replace("%", "%25").replace(" ", "%20").replace("\n", "%0A").replace("\r", "%0D")


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
