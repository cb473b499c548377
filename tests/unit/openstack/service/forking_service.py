# SPDX-License-Identifier: Apache-2.0
"""The mechanics of a service on oslo.service, in a hundred lines: a parent that forks a worker for each backend,
replaces those that die, hands SIGTERM on; workers that connect to a broker and live on for a while without their
parent.

Run as `python3 .../cinder-volume --config-file=FILE` (the tests write it under that name). Options in the file's
section [test]: stubborn = true (SIGTERM is ignored), linger = seconds that a worker lives without its parent, listen =
port of the parent.
"""

import configparser
import os
import select
import signal
import socket
import sys
import time


def main():
    path = next(word.partition("=")[2] for word in sys.argv if word.startswith("--config-file="))
    config = configparser.ConfigParser(interpolation=None)
    config.read(path)
    section = config["DEFAULT"]
    backends = [name for name in section.get("enabled_backends", "").split(",") if name]
    broker = section["transport_url"].rpartition("@")[2].partition("/")[0].rpartition(":")[::2]
    test = config["test"] if config.has_section("test") else {}
    if test.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listener = listen(int(test["listen"])) if test.get("listen") else None
    parent(backends, broker, float(test.get("linger", 5)), listener, bool(test.get("stubborn")))


def listen(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(5)
    return listener


def parent(backends, broker, linger, listener, stubborn):
    ending, children = [], {}

    def end(_number, _frame):
        ending.append(True)

    if not stubborn:
        signal.signal(signal.SIGTERM, end)
    me = os.getpid()
    for name in backends:
        children[fork(broker, linger, me, stubborn)] = name
    while not ending:
        if listener is not None and select.select([listener], [], [], 0.02)[0]:
            answer(listener)
        time.sleep(0.02)
        while children:
            pid, _status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            if not ending:
                children[fork(broker, linger, me, stubborn)] = children.pop(pid)
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    for pid in children:
        os.waitpid(pid, 0)


def answer(listener):
    connection = listener.accept()[0]
    connection.recv(1000)
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nnoVNC")
    connection.close()


def fork(broker, linger, parent_pid, stubborn):
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else lambda *_: os._exit(0))
    connection, orphaned = None, None
    while True:
        if connection is None:
            try:
                connection = socket.create_connection((broker[0], int(broker[1])), 1)
                connection.settimeout(0.05)
            except OSError:
                connection = None
        try:
            if connection is not None and not connection.recv(100):
                connection.close()
                connection = None
        except socket.timeout:
            pass
        except OSError:
            connection = None
        if os.getppid() != parent_pid:
            orphaned = orphaned or time.monotonic()
            if time.monotonic() - orphaned > linger:
                os._exit(0)
        time.sleep(0.05)


main()
