#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A client that writes all the time and records what was acknowledged.

    writer.py --host VIP --port 3306 --user app --password-file F --record FILE [--workers N] [--rate PER_SECOND]

Every acknowledged row is a line in the record, flushed before the next write: these rows must be in the database
afterwards. A write whose connection broke during the commit may or may not have happened: it counts as unknown, and the
row may be there or not. SIGUSR1 begins a new scene, which is counted separately. At SIGTERM or SIGINT it ends and
prints its figures as JSON.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time

import pymysql

TABLE = "quorate_lab.ledger"
TIMEOUT = 5  # seconds for a connection or an answer, as in an application


class Figures:
    """Counts and times over all workers."""

    def __init__(self, record):
        self.lock = threading.Lock()
        self.record = record
        self.acked = self.failed = self.unknown = 0
        self.last = self.began = time.monotonic()
        self.longest = 0.0
        self.errors = {}
        self.number, self.start, self.scene_longest, self.before = 0, (0, 0, 0), 0.0, {}

    def ack(self, row):
        with self.lock:
            now = time.monotonic()
            self.longest = max(self.longest, now - self.last)
            self.scene_longest = max(self.scene_longest, now - self.last)
            self.last = now
            self.acked += 1
            self.record.write("%s\n" % row)
            self.record.flush()

    def miss(self, error, sent):
        with self.lock:
            self.unknown += sent
            self.failed += not sent
            text = "%s: %s" % (type(error).__name__, error.args[0] if error.args else "")
            self.errors[text] = self.errors.get(text, 0) + 1

    def take(self):
        """The figures so far; a stall that has not ended counts as well."""
        with self.lock:
            now = time.monotonic()
            return {"acked": self.acked, "failed": self.failed, "unknown": self.unknown,
                    "longest_stall": round(max(self.longest, now - self.last), 2),
                    "stalled_now": round(now - self.last, 2),
                    "seconds": round(now - self.began, 1), "errors": dict(self.errors), "scene": self.scene(now),
                    "before": self.before}

    def scene(self, now):
        """The figures of the current scene. `now`: monotonic."""
        acked, failed, unknown = self.start
        return {"number": self.number, "acked": self.acked - acked, "failed": self.failed - failed,
                "unknown": self.unknown - unknown, "longest_stall": round(max(self.scene_longest, now - self.last), 2)}

    def next_scene(self):
        """Keep the figures of the scene as `before`, and begin a new one."""
        with self.lock:
            self.before = self.scene(time.monotonic())
            self.number += 1
            self.start, self.scene_longest = (self.acked, self.failed, self.unknown), 0.0


def work(number, options, password, figures, ended):
    """One worker: connect, insert and commit one row after the other, and connect again when that fails."""
    connection, count, until = None, 0, 0.0
    pause = options.workers / options.rate if options.rate else 0
    while not ended.is_set():
        sent = False
        try:
            if connection is None:
                connection = pymysql.connect(host=options.host, port=options.port, user=options.user, password=password,
                                             connect_timeout=TIMEOUT, read_timeout=TIMEOUT, write_timeout=TIMEOUT,
                                             autocommit=False)
                until = time.monotonic() + options.recycle
            count += 1
            row = "%s-%d-%d" % (options.tag, number, count)
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO %s (id, at) VALUES (%%s, %%s)" % TABLE, (row, time.time()))
                sent = True
                connection.commit()
            figures.ack(row)
            if time.monotonic() > until:
                connection.close()
                connection = None
        except (pymysql.err.Error, OSError) as error:
            figures.miss(error, sent)
            if connection is not None:
                try:
                    connection.close()
                except pymysql.err.Error:
                    pass
            connection = None
            ended.wait(0.05)
        if pause:
            ended.wait(pause)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=3306)
    parser.add_argument("--user", default="app")
    parser.add_argument("--password-file", required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--state", help="file that holds the figures so far, rewritten twice a second")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=100,
                        help="writes a second over all workers; 0: as many as possible")
    parser.add_argument("--recycle", type=float, default=4.0,
                        help="seconds after which a worker takes a new connection, as a connection pool does "
                             "(oslo.db: connection_recycle_time)")
    parser.add_argument("--tag", default=str(os.getpid()), help="beginning of the ids of this run's rows")
    options = parser.parse_args()
    with open(options.password_file, encoding="utf-8") as file:
        password = file.read().strip()
    ended, new_scene = threading.Event(), threading.Event()
    signal.signal(signal.SIGUSR1,
                  lambda *_: new_scene.set())  # nothing else: the handler may interrupt code that holds the lock
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with open(options.record, "a", encoding="ascii") as record:
        figures = Figures(record)
        workers = [threading.Thread(target=work, args=(number, options, password, figures, ended), daemon=True)
                   for number in range(options.workers)]
        for worker in workers:
            worker.start()
        while not ended.wait(0.5):
            if new_scene.is_set():
                new_scene.clear()
                figures.next_scene()
            if options.state:
                with open(options.state + ".new", "w", encoding="ascii") as file:
                    json.dump(figures.take(), file)
                os.rename(options.state + ".new", options.state)
        for worker in workers:
            worker.join(TIMEOUT * 2)
        json.dump(figures.take(), sys.stdout)


if __name__ == "__main__":
    main()
