# SPDX-License-Identifier: Apache-2.0
"""The report of scripts/front-door as a picture: a row for each case, in it a line for each listener.

    python3 -m lab.front_door.picture REPORT.jsonl PICTURE.svg        (needs python3-svgwrite)
"""

import json
import sys

SECONDS = 14.0  # of each case that are shown
SCALE, LEFT, ROW, LANE = 46, 370, 40, 28  # pixels: a second, the names, a row, its lines together
OK, FAILED, AXIS, TEXT = "#9bb8d3", "#c0392b", "#bbbbbb", "#222222"


def rows(path):
    """(title, attempts) of the first run of each case; an attempt is (name, began, took, outcome)."""
    found = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            one = json.loads(line)
            found.setdefault("%s: %s" % (one["manager"], one["case"]), one["attempts"])
    return list(found.items())


def stretches(attempts, name):
    """The attempts at one listener as [begin, end, whether they were ok], each up to the next with another outcome."""
    found = []
    for _, began, _, outcome in sorted((one for one in attempts if one[0] == name), key=lambda one: one[1]):
        if began <= SECONDS:
            if not found or found[-1][2] != (outcome == "ok"):
                found.append([began, began, outcome == "ok"])
            found[-1][1] = began
            if len(found) > 1 and found[-1][0] == began:
                found[-2][1] = began
    return found


def draw(found, path):
    """Write the picture, as SVG."""
    import svgwrite
    width, height = LEFT + SECONDS * SCALE + 20, ROW * len(found) + 70
    picture = svgwrite.Drawing(path, size=(width, height), viewBox="0 0 %d %d" % (width, height),
                               font_family="sans-serif", font_size=13)
    picture.add(picture.rect((0, 0), (width, height), fill="white"))
    for second in range(int(SECONDS) + 1):
        x = LEFT + second * SCALE
        picture.add(picture.line((x, 20), (x, height - 40), stroke=AXIS, stroke_width=1 if second else 2))
        picture.add(picture.text(str(second), (x, height - 22), fill=TEXT, text_anchor="middle"))
    picture.add(picture.text("seconds after the fault; a line is a listener; red: new connections failed",
                             (LEFT, height - 6), fill=TEXT))
    for number, (title, attempts) in enumerate(found):
        top = 26 + number * ROW
        names = sorted({one[0] for one in attempts})
        picture.add(picture.text(title, (LEFT - 8, top + LANE / 2 + 4), fill=TEXT, text_anchor="end"))
        for colour, wanted in ((OK, True), (FAILED, False)):
            path = []
            for place, name in enumerate(names):
                y = top + LANE * (place + 0.5) / len(names)
                path += ["M%.1f %.1fH%.1f" % (LEFT + begin * SCALE, y, LEFT + end * SCALE)
                         for begin, end, fine in stretches(attempts, name) if fine == wanted]
            if path:
                picture.add(picture.path("".join(path), stroke=colour, stroke_width=1.4, fill="none"))
    picture.save()


def main(words):
    if len(words) != 2:
        sys.stderr.write(__doc__.partition("\n\n")[2])
        return 2
    draw(rows(words[0]), words[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
