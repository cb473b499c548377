# SPDX-License-Identifier: Apache-2.0
"""The end of a console, in a node: an instance with a token in nova's database, its compute host, its screen.

    console_end.py PORT HOST

The instance's row and the token are made by nova's own objects, so the token is a real one; it is printed. Then this
process is the compute host (an RPC server that confirms the console's port) and the screen (a TCP server that
implements the beginning of RFB 3.8, without a password, under the name NAME). It runs until it is killed.
"""

import socket
import struct
import sys
import threading
import uuid

NAME = b"quorate console"
RPC_VERSION = "6.99"  # of nova.compute.rpcapi; serves every 6.x


def screen(connection):
    """Serve a viewer: version, security none, ServerInit (RFC 6143, 7.1 to 7.3); then send back what it sends."""
    connection.sendall(b"RFB 003.008\n")
    take(connection, 12)
    connection.sendall(b"\x01\x01")
    take(connection, 1)
    connection.sendall(struct.pack(">I", 0))
    take(connection, 1)
    pixel = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    connection.sendall(struct.pack(">HH", 640, 480) + pixel + struct.pack(">I", len(NAME)) + NAME)
    while True:
        received = connection.recv(4096)
        if not received:
            return
        connection.sendall(received)


def take(connection, size):
    """Exactly `size` bytes."""
    found = b""
    while len(found) < size:
        more = connection.recv(size - len(found))
        if not more:
            raise ConnectionError("closed")
        found += more
    return found


def serve(port):
    """Serve each viewer in a thread."""
    with socket.create_server(("0.0.0.0", port)) as server:
        while True:
            connection = server.accept()[0]
            threading.Thread(target=viewer, args=(connection,), daemon=True).start()


def viewer(connection):
    """Serve a connection until it ends."""
    with connection:
        try:
            screen(connection)
        except OSError:
            pass


class Compute:
    """What nova-novncproxy asks the compute host before it connects."""

    def validate_console_port(self, ctxt, instance, port, console_type):
        """Whether the port is this instance's console: there is only one."""
        return True


def main(argv):
    port, host = int(argv[0]), argv[1]
    import oslo_messaging
    from nova import config, context, objects
    config.parse_args(["console-end"])
    from nova import conf, rpc
    from nova.objects import base, console_auth_token
    conf.CONF.set_override("host", host)
    rpc.init(conf.CONF)
    objects.register_all()
    admin = context.get_admin_context()
    instance = objects.Instance(admin, uuid=str(uuid.uuid4()), user_id="lab", project_id="lab", host=host,
                                display_name="lab",
                                flavor=objects.Flavor(flavorid="lab", name="lab", memory_mb=1, vcpus=1, root_gb=0, id=1,
                                                      ephemeral_gb=0, swap=0, rxtx_factor=1.0, vcpu_weight=0,
                                                      disabled=False,
                                                      is_public=True, extra_specs={}),
                                old_flavor=None, new_flavor=None)
    instance.create()
    token = console_auth_token.ConsoleAuthToken(
        admin, console_type="novnc", host=host, port=port, internal_access_path=None, instance_uuid=instance.uuid,
        access_url_base="http://%s:6080/vnc_lite.html" % host).authorize(3600)
    threading.Thread(target=serve, args=(port,), daemon=True).start()
    Compute.target = oslo_messaging.Target(version=RPC_VERSION)
    server = oslo_messaging.get_rpc_server(
        rpc.TRANSPORT, oslo_messaging.Target(topic="compute", server=host), [Compute()], executor="threading",
        serializer=rpc.RequestContextSerializer(base.NovaObjectSerializer()))
    server.start()
    print(token, flush=True)
    server.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
