# SPDX-License-Identifier: Apache-2.0
"""The parts of scripts/bench that need no lab: the tables, and what counts as recovered."""

import pytest

from bench.galera import __main__, table
from bench.galera.cases import Bench, Timing
from bench.galera.sides import OURS, PEER
from bench.galera.watch import all_down, all_synced, any_synced
from bench.monitor import Cost, summary


def report(*argv):
    return table.Report("scripts/bench", __main__.options_of(["--seed", "1"] + list(argv)))


@pytest.mark.parametrize("states, synced, some, down", [
    (("synced-3", "synced-3", "synced-3"), True, True, False),
    (("synced-2", "synced-2", "down"), False, True, False),        # the survivors, not the cluster
    (("synced-3", "synced-3", "donor"), False, True, False),
    (("synced-1", "synced-1", "synced-1"), False, True, False),    # three clusters of one
    (("down", "down", "silent"), False, False, False),              # a frozen server is not a stopped one
    (("down", "down", "off"), False, False, False),
    (("down", "down", "down"), False, False, True),
])
def test_what_counts(states, synced, some, down):
    states = dict(zip(("n1", "n2", "n3"), states))
    assert (all_synced(states), any_synced(states), all_down(states)) == (synced, some, down)


def test_summary_is_of_medians():
    rows = [{"wall": wall, "cpu": cpu, "server": 1.0} for wall, cpu in ((10, 5), (99, 6), (12, 40))]
    assert summary("quorate", rows, 1) == Cost("quorate", 12, 6, 1.0, 1, "5..40")


def test_a_case_that_did_not_end_is_not_left_out_of_the_table():
    one = report()
    one.timings = [Timing("SIGKILL of all three", OURS.label, seconds, 330.0) for seconds in (9.0, 12.0, None)]
    one.timings += [Timing("SIGKILL of all three", PEER.label, None, 330.0, "n1 down")]
    text = one.text()
    assert "| SIGKILL of all three | 10.5 (9.0..12.0) of 2, 1 times not within 330 s | 1 times not within 330 s |" in text
    assert "- SIGKILL of all three, heartbeat: n1 down" in text


def test_the_margin_counts_the_servers_share():
    one = report()
    one.costs = [Cost(OURS.label, 30.0, 30.0, 2.0, 1, "29..31"), Cost(PEER.label, 60.0, 60.0, 4.0, 22, "59..61")]
    assert "Less than the peer by: wall 50 %, CPU 50 %, CPU with the server's 50 %." in one.text()


def test_quick_is_less_of_everything():
    quick, full = __main__.options_of(["--quick"]), __main__.options_of([])
    assert (quick.runs, quick.rounds, quick.seeds) < (full.runs, full.rounds, full.seeds)
    assert __main__.options_of(["--quick", "--seeds", "0"]).seeds == 0


def test_the_same_seed_gives_the_same_moments():
    def moments(seed):
        bench = Bench(None, None, None, seed)
        return [bench.random.random() for _ in range(5)]

    assert moments(7) == moments(7) != moments(8)


class LabOfOthers:
    """A lab that another run is measuring on."""

    name = "bench"
    destroyed = False

    def destroy(self):
        self.destroyed = True


def test_it_leaves_a_lab_alone_that_it_did_not_make(tmp_path):
    # Seen: a run of the check alone destroyed the lab under the peer's five minutes, and the table called that the
    # peer's failure.
    lab = LabOfOthers()
    code = __main__.main(["--only", "check", "--output", str(tmp_path / "out.md")], lambda name: lab,
                         lambda options: "fast")
    assert (code, lab.destroyed) == (0, False)
    assert "fast" in (tmp_path / "out.md").read_text()
