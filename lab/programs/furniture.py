# SPDX-License-Identifier: Apache-2.0
"""What an application puts into a broker: makes it, or counts it. Runs in the lab's network.

    furniture.py put|count HOST USER PASSWORD_FILE MESSAGES
"""

import json
import sys

QUEUES = {"classic": {}, "quorum": {"x-queue-type": "quorum"}}
PERSISTENT = 2


def connect(host, user, password_file):
    """A pika connection."""
    import pika
    with open(password_file, encoding="ascii") as file:
        password = file.read().strip()
    return pika.BlockingConnection(pika.ConnectionParameters(
        host, credentials=pika.PlainCredentials(user, password), socket_timeout=5, blocked_connection_timeout=30))


def put(channel, messages):
    """Make exchanges, queues, bindings, and messages, each of them confirmed."""
    import pika
    channel.exchange_declare("topic", "topic", durable=True)
    channel.exchange_declare("fanout", "fanout", durable=True)
    channel.confirm_delivery()
    for name, arguments in QUEUES.items():
        channel.queue_declare(name, durable=True, arguments=arguments)
        channel.queue_bind(name, "topic", name + ".#")
        channel.queue_bind(name, "fanout", "")
        for number in range(messages):
            channel.basic_publish("topic", name + ".x", b"%d" % number, pika.BasicProperties(delivery_mode=PERSISTENT),
                                  mandatory=True)


def count(connection):
    """{queue: number of its messages}; -1 when the queue cannot be used."""
    found = {}
    for name, arguments in QUEUES.items():
        try:
            found[name] = connection.channel().queue_declare(name, durable=True, arguments=arguments, passive=True) \
                .method.message_count
        except Exception:  # pika has several; each closes the channel
            found[name] = -1
    return found


def main(argv):
    """Put the furniture there, or print what is there."""
    verb, host, user, password_file, messages = argv
    connection = connect(host, user, password_file)
    if verb == "put":
        put(connection.channel(), int(messages))
    else:
        print(json.dumps(count(connection)))
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
