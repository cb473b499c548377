# SPDX-License-Identifier: Apache-2.0
"""Calls a service through the broker all the time and records the results; runs in a node, with OpenStack's own
library.

    openstack_caller.py CONFIG EXCHANGE TOPIC SERVER[,SERVER...]|- METHOD RECORD [TIMEOUT] [VERSION]

Several servers are called in turn. It appends a line for each call to RECORD: unix seconds when it began, seconds it
took, "ok" or the name of the exception. It ends at SIGTERM.
"""

import signal
import sys
import time

from oslo_config import cfg
import oslo_messaging

EVERY = 0.2  # seconds from the start of one call to the start of the next


def main(argv):
    config, exchange, topic, server, method, record = argv[:6]
    timeout = float(argv[6]) if len(argv) > 6 else 2.0
    version = argv[7] if len(argv) > 7 else None
    oslo_messaging.set_transport_defaults(exchange)
    conf = cfg.CONF
    conf([], project="caller", default_config_files=[config])
    transport = oslo_messaging.get_rpc_transport(conf)
    clients = [oslo_messaging.RPCClient(transport, oslo_messaging.Target(
        topic=topic, server=None if one == "-" else one, version=version)).prepare(timeout=timeout)
               for one in server.split(",")]
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    with open(record, "a", buffering=1, encoding="ascii") as file:
        while not ended:
            began, clock = time.time(), time.monotonic()
            clients.append(clients.pop(0))
            try:
                clients[0].call({"read_deleted": "no", "user_id": None, "project_id": None}, method)
                what = "ok"
            except Exception as error:  # whatever it is, the client got it
                what = type(error).__name__
            took = time.monotonic() - clock
            file.write("%.2f %.3f %s\n" % (began, took, what))
            time.sleep(max(0.0, EVERY - took))


if __name__ == "__main__":
    main(sys.argv[1:])
