# SPDX-License-Identifier: Apache-2.0
"""What tests of the broker's ports share: a greeting, a port without a listener, and answers of the management API."""

import json
import socket

from quorate.rabbitmq.broker.tools.management import Answer

GREETING = b"\x01\x00\x00\x00\x00\x01\xec\x00\x0a\x00\x0a\x00\x09\x00\x00\x01\xc7"  # as RabbitMQ 3.10.8 begins


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def nodes(*several):
    return Answer(200, json.dumps(several, separators=(",", ":")).encode())


def node(name, running=True, partitions=(), drained=False):
    return {"partitions": list(partitions), "name": name, "running": running, "being_drained": drained}
