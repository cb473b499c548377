# SPDX-License-Identifier: Apache-2.0
"""Whether heartbeat rows make progress. Pure.

A service writes the times of its heartbeat by the clock of its node, the database knows its own, and this node has a
third one. How old a row is can therefore not be told where two of them differ. But a row that was other than at an
earlier look was written meanwhile, whatever the clocks say, and how long it has been the same is measured by the
monotonic clock of this node alone.
"""

from quorate.openstack.symptoms.detect import STARTUP

MOST = 300  # rows that are remembered; Heat keeps those of dead engines, and never removes one that reported nothing
BEGAN, LOOKED, PARENT = "began", "looked", "parent"  # of HEARTBEATS_FILE; the other lines are rows


def follow(lines, rows, parent, age, now):
    """(lines to remember, Rows with what is known of their progress).

    lines: what was remembered at the last look, a dict of texts ({}: nothing); rows: Rows as they were read; parent:
    text that stands for the process whose rows they are: of another one nothing is known; age: seconds since it was
    started; now: monotonic seconds.
    """
    # As it is remembered: rounded up it would be later than that of a look right after this one.
    now = int(now * 10) / 10
    began, looked = _number(lines.get(BEGAN)), _number(lines.get(LOOKED))
    if lines.get(PARENT) != parent or None in (began, looked) or not began <= looked <= now:
        lines, began, looked = {}, now, None
    marks, ages = {}, {}
    for row in rows.rows:
        marks.setdefault(row.name, []).append(row.mark or "")
        if row.age is not None:
            ages[row.name] = min(ages.get(row.name, row.age), row.age)
    kept = {BEGAN: "%.1f" % began, LOOKED: "%.1f" % now, PARENT: parent}
    known, early = {}, looked is None or age - (now - looked) < STARTUP
    # One that is not remembered is new where all were; else it may be an old one, for which there is room now.
    new = looked is not None and sum(1 for key in lines if key.startswith("row:")) < MOST
    for name in sorted(marks, key=lambda name: _rank(lines.get(_key(name), ""), ages.get(name)))[:MOST]:
        texts = marks[name]
        since, changes = _one(lines.get(_key(name), ""), _key("|".join(sorted(texts))), new, now, early)
        kept[_key(name)] = "%.1f %d %s" % (since, changes, _key("|".join(sorted(texts))))
        known[name] = max(0.0, now - since), changes
    found = tuple(row._replace(unchanged=known[row.name][0], changes=known[row.name][1]) if row.name in known else row
                  for row in rows.rows)
    return kept, rows._replace(rows=found, watched=now - began)


def _rank(line, age):
    """Which rows are remembered where there are too many: those of which a report was seen, then the youngest. The order
    of the database is that of a random name."""
    words = line.split(" ")
    seen = len(words) == 3 and words[1] in ("1", "2")
    return not seen, age is None, age or 0


def _one(line, mark, new, now, early):
    """(since when a row has been as it is, its number of changes as in facts.Row). new: whether one that is not
    remembered was made since the last look."""
    words = line.split(" ")
    since = _number(words[0])
    if len(words) != 3 or since is None or words[1] not in ("0", "1", "2"):
        return now, 1 if new else 0  # a row that is new was written just now
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
