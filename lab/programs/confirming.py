# SPDX-License-Identifier: Apache-2.0
"""A client that publishes with confirms and consumes with acknowledgements, all the time, whatever happens to the
brokers.

    confirming.py HOST,HOST,... USER PASSWORD_FILE DIRECTORY RATE [OPTIONS]

OPTIONS is a JSON object: port; ca, cert, key, the paths of certificates, for TLS; queue and type of the queue; keep,
true: nothing is consumed before SIGTERM, so that the broker has to keep every message.

It writes to DIRECTORY/confirmed the number of each message that the broker confirmed, and to DIRECTORY/received that of
each message that was delivered and then acknowledged, a line each. A message may be delivered twice; one that was
confirmed and is never delivered is lost. On SIGTERM it stops publishing, consumes until nothing has come for a while,
and prints its figures as JSON.
"""

import json
import os
import signal
import ssl
import sys
import threading
import time

QUEUE = "confirmed"
QUIET = 5.0   # seconds without a message after which the queue counts as empty
AT_MOST = 90.0  # seconds to consume after SIGTERM


class Client:
    """Publisher and consumer; each has a connection of its own, and tries one host after the other."""

    def __init__(self, hosts, user, password_file, directory, rate, options=None):
        self.hosts, self.user, self.directory, self.rate = hosts, user, directory, rate
        self.options = dict({"port": 5672, "queue": QUEUE, "type": "quorum", "keep": False}, **(options or {}))
        with open(password_file, encoding="ascii") as file:
            self.password = file.read().strip()
        self.ending = threading.Event()
        self.done = threading.Event()
        self.figures = {"confirmed": 0, "failed": 0, "received": 0, "again": 0, "connections": 0}
        self.last = time.monotonic()

    def connect(self, number):
        import pika
        self.figures["connections"] += 1
        return pika.BlockingConnection(pika.ConnectionParameters(
            self.hosts[number % len(self.hosts)], self.options["port"], ssl_options=self.tls(),
            credentials=pika.PlainCredentials(self.user, self.password), heartbeat=6, socket_timeout=3,
            stack_timeout=4, blocked_connection_timeout=6, connection_attempts=1))

    def tls(self):
        """What pika needs for TLS; None without. The name in the certificate is that of no host."""
        import pika
        if "ca" not in self.options:
            return None
        context = ssl.create_default_context(cafile=self.options["ca"])
        context.check_hostname = False
        if "cert" in self.options:
            context.load_cert_chain(self.options["cert"], self.options["key"])
        return pika.SSLOptions(context)

    def publish(self):
        """Publish until SIGTERM."""
        import pika
        number, host, connection, channel = 0, 0, None, None
        with open(os.path.join(self.directory, "confirmed"), "a", encoding="ascii", buffering=1) as record:
            while not self.ending.is_set():
                try:
                    if channel is None:
                        connection = self.connect(host)
                        channel = connection.channel()
                        channel.queue_declare(self.options["queue"], durable=True,
                                              arguments={"x-queue-type": self.options["type"]})
                        channel.confirm_delivery()
                    number += 1
                    channel.basic_publish("", self.options["queue"], b"%d" % number,
                                          pika.BasicProperties(delivery_mode=2), mandatory=True)
                    record.write("%d\n" % number)
                    self.figures["confirmed"] += 1
                except Exception:  # whatever happened, this message was not confirmed
                    self.figures["failed"] += 1
                    channel, host = None, host + 1
                    close(connection)
                    self.ending.wait(0.2)
                self.ending.wait(1.0 / self.rate)
        close(connection)

    def consume(self):
        """Consume until SIGTERM, and then until nothing has come for a while."""
        received, host = set(), 1
        if self.options["keep"]:
            self.ending.wait()
        with open(os.path.join(self.directory, "received"), "a", encoding="ascii", buffering=1) as record:
            while not self._over():
                connection = None
                try:
                    connection = self.connect(host)
                    channel = connection.channel()
                    channel.basic_qos(prefetch_count=20)
                    for method, _properties, body in channel.consume(self.options["queue"], inactivity_timeout=0.5):
                        if method is not None:
                            number = int(body)
                            self.figures["again" if number in received else "received"] += 1
                            received.add(number)
                            record.write("%d\n" % number)
                            channel.basic_ack(method.delivery_tag)
                            self.last = time.monotonic()
                        elif self._over():
                            break
                except Exception:
                    host += 1
                    time.sleep(0.3)
                close(connection)
        self.done.set()

    def _over(self):
        if not self.ending.is_set():
            return False
        return time.monotonic() - self.last > QUIET


def close(connection):
    """Close the connection, in whatever state it is."""
    try:
        if connection is not None and connection.is_open:
            connection.close()
    except Exception:
        pass


def main(argv):
    """Publish and consume until SIGTERM, then print the figures."""
    hosts, user, password_file, directory, rate = argv[:5]
    options = json.loads(argv[5]) if argv[5:] else {}
    client = Client(hosts.split(","), user, password_file, directory, float(rate), options)
    threads = [threading.Thread(target=target, daemon=True) for target in (client.publish, client.consume)]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    for thread in threads:
        thread.start()
    stop.wait()
    client.last = time.monotonic()
    client.ending.set()
    threads[0].join(30)
    client.done.wait(AT_MOST)
    print(json.dumps(client.figures), flush=True)
    os._exit(0)  # a thread may hang in a connection to a hung broker


if __name__ == "__main__":
    main(sys.argv[1:])
