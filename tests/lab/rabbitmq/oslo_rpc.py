# SPDX-License-Identifier: Apache-2.0
"""A service of OpenStack in small: `server CONFIG` answers calls, `client CONFIG` makes one after the other until it is
ended and prints a line for each: seconds since it began, the number it sent, the attempts it took."""

import sys
import time

from oslo_config import cfg
import oslo_messaging

TARGET = oslo_messaging.Target(topic="quorate-test", server="here")


class Endpoint:
    """What can be called."""

    @staticmethod
    def double(_context, number):
        return 2 * number


def main(role, path):
    config = cfg.CONF  # the one that its metrics read as well
    config([], project="quorate", default_config_files=[path])
    transport = oslo_messaging.get_rpc_transport(config)
    if role == "server":
        server = oslo_messaging.get_rpc_server(transport, TARGET, [Endpoint()], executor="threading")
        server.start()
        print("serves", flush=True)
        server.wait()
        return
    client = oslo_messaging.get_rpc_client(transport, TARGET, timeout=3)
    began, number = time.monotonic(), 0
    while True:
        number += 1
        for attempt in range(1, 100):
            try:
                answer = client.call({}, "double", number=number)
                break
            except (oslo_messaging.MessagingTimeout, oslo_messaging.MessageDeliveryFailure,
                    oslo_messaging.MessageUndeliverable):
                continue  # OpenStack's callers repeat, or fail the one request
        assert answer == 2 * number, answer
        print("%.3f %d %d" % (time.monotonic() - began, number, attempt), flush=True)
        time.sleep(0.05)  # the pace of a caller; nothing is waited for


if __name__ == "__main__":
    main(*sys.argv[1:])
