# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for a service and its broker: a program that forks (forking_service.py), a socket that accepts."""

import os
import socket
import ssl
import struct
import threading
import time

import pika
from pika import frame as frames, spec

from tests.listening import serve_each

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "forking_service.py")


START = frames.Method(0, spec.Connection.Start()).marshal()


class Broker:
    """Accepts connections, answers the protocol header as RabbitMQ does, and holds them."""

    def __init__(self):
        self.listener, self.held = socket.socket(), []
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.listener.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
                connection.sendall(START)
                self.held.append(connection)
            except OSError:
                return

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for connection in self.held:
            connection.close()


class AmqpServer:
    """A broker that speaks AMQP 0-9-1 up to a step, and then says nothing more on that connection.

    silent: the name of that step ('tls', 'Start', or the class and method that it does not answer: 'Queue.Declare',
    'passive' for that of a target, 'passive q' for that of q, 'Basic.Publish' does not deliver, 'Connection.Close');
    targets: consumers of each queue that is there; answers: whether calls are answered, or after how many seconds;
    blocked: its reason for taking no messages; refuses: the account, by the code and text of this tuple; ends: the name
    of a step at which it breaks the connection; absent: queue -> (code, text) with which it closes the channel of who
    asks for it; certificate: of its TLS, (file, key); replies: a function of the body of a call to the bodies that the
    service sends

    asked: the queues that were called; steps: names of the methods that came; said: these methods; calls: (queue,
    properties, body) of each call
    """

    def __init__(self, silent=None, targets=None, answers=True, blocked=None, refuses=False, certificate=None,
                 absent=None, ends=None, replies=lambda body: [body]):
        self.replies, self.said, self.calls, self.properties = replies, [], [], None
        self.absent, self.ends, self.queues = absent or {}, ends, []
        self.silent, self.targets, self.answers, self.blocked = silent, targets or {}, answers, blocked
        self.refuses, self.certificate = refuses, certificate
        self.listener, self.open, self.asked, self.steps = socket.create_server(("127.0.0.1", 0)), [], [], []
        self.port = self.listener.getsockname()[1]
        serve_each(self.listener, self._guarded)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        for one in [self.listener] + self.open:
            one.close()

    def _guarded(self, one):
        self.open.append(one)
        try:
            if self.silent != "tls":
                self._serve(one)
        except (OSError, IndexError, struct.error):
            pass

    def _serve(self, one):
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            one = context.wrap_socket(one, server_side=True)
            self.open.append(one)
        received, consumer = one.recv(8), None
        assert received.startswith(b"AMQP")
        if self.silent == "Start":
            return
        self._send(one, 0, spec.Connection.Start(server_properties={"capabilities": {"connection.blocked": True}},
                                                 mechanisms=b"PLAIN", locales=b"en_US"))
        data, pending = b"", None
        while True:
            more = one.recv(65536)
            if not more:
                return
            data += more
            while data:
                used, frame = frames.decode_frame(data)
                if frame is None:
                    break
                data = data[used:]
                if isinstance(frame, frames.Header):
                    self.properties = frame.properties
                elif isinstance(frame, frames.Body):
                    self._deliver(one, consumer, pending, frame.fragment)
                elif isinstance(frame, frames.Method):
                    method = frame.method
                    name = method.NAME
                    if name == "Queue.Declare" and method.passive:
                        name = "passive"
                    self.steps.append(name)
                    self.said.append(method)
                    if name == self.ends:
                        one.shutdown(socket.SHUT_RDWR)
                        return
                    if self.silent in (name, "%s %s" % (name, getattr(method, "queue", None))):
                        continue
                    if name == "Basic.Publish":
                        pending = method
                    elif name == "Basic.Consume":
                        consumer = frame.channel_number, method.consumer_tag
                        self._send(one, frame.channel_number, spec.Basic.ConsumeOk(method.consumer_tag))
                    else:
                        self._answer(one, frame.channel_number, method)

    def _answer(self, one, channel, method):
        name = method.NAME
        if name == "Connection.StartOk":
            if self.refuses and self.refuses[0] == 403:
                self._send(one, 0, spec.Connection.Close(*self.refuses, 0, 0))
            else:
                self._send(one, 0, spec.Connection.Tune(100, 131072, 0))
        elif name == "Connection.Open" and self.refuses:
            self._send(one, 0, spec.Connection.Close(*self.refuses, 10, 40))
        elif name == "Queue.Declare" and (method.queue in self.absent or not method.passive and "own" in self.absent):
            self._send(one, channel, spec.Channel.Close(*self.absent.get(method.queue, self.absent.get("own")), 50, 10))
        elif name == "Queue.Declare" and method.passive and method.queue not in self.targets:
            self._send(one, channel, spec.Channel.Close(404, "NOT_FOUND - no queue '%s' in vhost '/'" % method.queue, 50, 10))
        elif name == "Queue.Declare":
            self.queues.append(method.queue)
            self._send(one, channel, spec.Queue.DeclareOk(method.queue, 0, self.targets.get(method.queue, 0)))
        else:
            answer = {"Connection.Open": spec.Connection.OpenOk, "Channel.Open": spec.Channel.OpenOk,
                      "Exchange.Declare": spec.Exchange.DeclareOk, "Queue.Bind": spec.Queue.BindOk,
                      "Basic.Qos": spec.Basic.QosOk, "Channel.Close": spec.Channel.CloseOk,
                      "Connection.Close": spec.Connection.CloseOk}.get(name)
            if answer is not None:
                self._send(one, channel, answer())

    def _deliver(self, one, consumer, publish, body):
        """What was published: to ourselves, or a call, which is answered."""
        if publish is None:
            return
        if self.blocked:
            self._send(one, 0, spec.Connection.Blocked(self.blocked))
            return
        bodies = [body]
        if publish.exchange:
            self.asked.append(publish.routing_key)
            self.calls.append((publish.routing_key, self.properties, body))
            if not self.answers:
                return
            time.sleep(0 if self.answers is True else self.answers)
            bodies = self.replies(body)
        for body in bodies:
            self._send(one, consumer[0], spec.Basic.Deliver(consumer[1], 1, False, "", "q"))
            one.sendall(frames.Header(consumer[0], len(body), pika.BasicProperties()).marshal())
            one.sendall(frames.Body(consumer[0], body).marshal())

    @staticmethod
    def _send(one, channel, method):
        one.sendall(frames.Method(channel, method).marshal())


def saying(data):
    """A port that answers every connection with `data` and closes it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(20)

    def serve():
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            connection.recv(1000)
            connection.sendall(data)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener
