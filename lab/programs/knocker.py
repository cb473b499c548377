#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of every listener: each makes a new connection at a fixed rate, whatever became of the one before.

    knocker.py --rate 10 --seconds 5 NAME=ADDRESS:PORT ...      NAME+tls: with TLS;  galera...: a login and a query

The requests come as JSON on standard input: {NAME: {"ask": [[request, body or null, [codes that are answers]], ...],
"token": TOKEN or null}}; they are made in turn. Other names get GET /v2 and every third time POST /v2, and 200 is an
answer.

It prints a line for each attempt: name, when it began (seconds of the monotonic clock, which is the same for all
processes of this machine), how long it took, `ok` or what went wrong.
"""

import argparse
import asyncio
import concurrent.futures
import json
import ssl
import sys
import time

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE

ANYTHING = [["POST /v2", "{}", ["200"]], ["GET /v2", None, ["200"]], ["GET /v2", None, ["200"]]]


def ask_database(host, port, user, password, limit):
    """Log in and run a query. Without the login the server would count an error, and block the host after
    max_connect_errors."""
    import pymysql
    try:
        connection = pymysql.connect(host=host, port=port, user=user, password=password, connect_timeout=limit,
                                     read_timeout=limit, write_timeout=limit)
        try:
            connection.query("SELECT 1")
        finally:
            connection.close()
    except pymysql.err.Error as error:
        return "SQL %s" % (error.args[0] if error.args else "")
    return "ok"


def request(name, number, requests):
    """The bytes of the `number`-th request to `name`, and the status codes that are an answer to it."""
    known = requests.get(name, {"ask": ANYTHING})
    words, body, codes = known["ask"][number % len(known["ask"])]
    lines = [words + " HTTP/1.1", "Host: front", "Connection: close"]
    if known.get("token"):
        lines.append("X-Auth-Token: " + known["token"])
    if body is not None:
        lines += ["Content-Type: application/json", "Content-Length: %d" % len(body)]
    return ("\r\n".join(lines + ["", ""]) + (body or "")).encode(), codes


async def talk(name, host, port, number, options):
    """Make one attempt; `ok` or what went wrong."""
    if name.startswith("galera"):
        return await asyncio.get_running_loop().run_in_executor(
            options.pool, ask_database, host, port, options.user, options.password, options.seconds)
    reader, writer = await asyncio.open_connection(host, port, ssl=TLS if name.endswith("+tls") else None)
    try:
        text, codes = request(name.partition("+")[0], number, options.requests)
        writer.write(text)
        answer = await reader.read()
        status = answer[9:12].decode("ascii", "replace")
        return "ok" if status in codes else "HTTP " + status if status else "closed"
    finally:
        writer.close()


async def attempt(name, host, port, number, options):
    """Make one attempt and print its line."""
    began = time.monotonic()
    try:
        came = await asyncio.wait_for(talk(name, host, port, number, options), options.seconds)
    except asyncio.TimeoutError:
        came = "timeout"
    except OSError as error:
        came = type(error).__name__
    sys.stdout.write("%s %.3f %.3f %s\n" % (name, began, time.monotonic() - began, came))


async def knock(options):
    """Make attempts at all places, for ever."""
    places = []
    for word in options.places:
        name, _, where = word.partition("=")
        host, _, port = where.rpartition(":")
        places.append((name, host, int(port)))
    running, number, due = set(), 0, time.monotonic()
    while True:
        for index, (name, host, port) in enumerate(places):
            task = asyncio.ensure_future(attempt(name, host, port, number + index, options))
            running.add(task)
            task.add_done_callback(running.discard)
            # The places are spread over the interval, so that attempts do not come in bursts.
            due += 1 / options.rate / len(places)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        number += 1
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=10, help="attempts a second at each place")
    parser.add_argument("--seconds", type=float, default=5, help="seconds after which an attempt has failed")
    parser.add_argument("--user", help="user of the database")
    parser.add_argument("--password-file")
    parser.add_argument("places", nargs="+")
    options = parser.parse_args()
    options.pool, options.password = concurrent.futures.ThreadPoolExecutor(32), None
    options.requests = json.loads(sys.stdin.read() or "{}")
    if options.password_file:
        with open(options.password_file, encoding="utf-8") as file:
            options.password = file.read().strip()
    asyncio.run(knock(options))


if __name__ == "__main__":
    main()
