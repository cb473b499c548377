# SPDX-License-Identifier: Apache-2.0
"""An RPC call through RabbitMQ, as oslo.messaging's clients make it, with a deadline in every step.

The envelope is oslo.messaging's version 2.0 (_drivers/common.py serialize_msg, _drivers/amqp.py). Any reply proves that
the service works, also one that the method is not known: a worker took the call out of the queue and answered.

No reply proves something about the service only where the broker works: it said that the queue is there, it took a
message to ourselves and delivered it, and the service had some time. Else it is the broker that does not answer.

That there is no such queue is one of several meanings of the code 404 (rabbit_amqqueue.erl of 3.10 and 4.0,
not_found_or_absent_dirty and absent): RabbitMQ says so too of a durable queue whose node is down, that crashed, or that
did not answer in time. No service can then declare it anew, so a restart of the service helps nothing.
"""

import json
from collections import namedtuple
from time import monotonic

from quorate.openstack.facts import ANSWERED, MISSING, PING, SILENT, UNKNOWN, UNREACHABLE, UNSERVED, Reply

CONTEXT = {"_context_read_deleted": "no",  # Cinder's context requires it
           "_context_user_id": None, "_context_project_id": None, "_context_is_admin": True, "_context_roles": []}
ECHO = b"quorate"  # the message to ourselves
NOT_FOUND, FORBIDDEN = 404, 403  # codes of AMQP
FAIR = 2.0         # seconds that a service has at least before no reply counts against it, whatever check_timeout is:
                   # ten times what a call takes on a machine that is not busy


class Endpoint(namedtuple("Endpoint", "host port vhost user password tls cafile certificate check_hostname")):
    """What amqp_session.Session wants to know. repr() shows no password."""

    __slots__ = ()

    def __repr__(self):
        return "Endpoint(%s:%s)" % (self.host, self.port)


def endpoint(address):
    """The Endpoint of an Address: TLS as the service does it, and RabbitMQ's own account where the URL has none."""
    known = dict(address.certificates)
    certificate = (known["cert"], known.get("key")) if "cert" in known else None
    return Endpoint(address.host, address.port, address.name, address.user or "guest", address.password or "guest",
                    address.tls, known.get("ca"), certificate, known.get("check_hostname", False))


def call(brokers, exchange, targets, seconds, method=PING):
    """A tuple of a Reply for each target ('cinder-volume.host@backend': topic and server), in about `seconds`; where the
    broker works and a service does not answer, in up to FAIR seconds more."""
    from quorate.host import amqp_session
    try:
        amqp_session.driver()
    except ImportError:
        return _same_for_all(targets, UNKNOWN, "pika is not installed (apt install python3-pika).")
    end = monotonic() + seconds
    failure = _same_for_all(targets, UNREACHABLE, "no broker is configured")
    for number, broker in enumerate(brokers):
        left = end - monotonic()
        if left <= 0:
            break
        problem = _tls_problem(endpoint(broker)) if broker.tls else None
        if problem:
            return _same_for_all(targets, UNKNOWN, problem)
        # The others' share of the time is for them: this one may hang in any step.
        others = len(brokers) - number - 1
        calls = _Calls(amqp_session.Session(endpoint(broker), "quorate monitor", 0), exchange, targets, method)
        try:
            calls.prepare(monotonic() + (left / 2 if others else left * 3 / 4))
            return calls.made(max(end, monotonic() + FAIR))
        except Exception as error:  # pika raises what getaddrinfo, ssl and its own state machine raise
            failure = _failure(targets, broker, error, amqp_session)
            if failure[0].outcome == UNKNOWN:
                break  # the same account is refused everywhere
        finally:
            calls.session.close(goodbye=calls.complete)
    return failure


def refusal(brokers, seconds):
    """Why none of these Addresses takes a connection with the account and the certificates of the service, in about
    `seconds`; '': one does, or that cannot be tried without pika.

    A broker greets whoever connects. The account may be gone, its virtual host be down, a limit be reached, the
    broker's certificate have expired: then no restart of the service helps."""
    from quorate.host import amqp_session
    try:
        amqp_session.driver()
    except ImportError:
        return ""
    end, refused, failed = monotonic() + seconds, "", ""
    for number, broker in enumerate(brokers):
        share, opened = max(0.2, (end - monotonic()) / (len(brokers) - number)), False
        session = amqp_session.Session(endpoint(broker), "quorate monitor", 0)
        try:
            session.open(monotonic() + share)
            opened = True
            return ""
        except Exception as error:  # see call()
            if amqp_session.is_refusal(error):
                refused = refused or said(error)
            failed = failed or broker.tls and _tls_problem(endpoint(broker)) or "%s: %s" % (broker.shown, reason(error))
        finally:
            session.close(goodbye=opened)
    return refused or failed


def _same_for_all(targets, outcome, reason):
    return tuple(Reply(target, outcome, None, reason) for target in targets)


def _tls_problem(place):
    """Why the files of TLS that the service has cannot be used, None: they can."""
    from quorate.host import amqp
    try:
        amqp.tls_context(place.cafile, place.certificate, place.check_hostname)
        return None
    except OSError as error:
        return "its TLS files cannot be used (%s): %s." % (
            ", ".join(filter(None, (place.cafile,) + (place.certificate or ()))), error.strerror or error)


def _failure(targets, broker, error, amqp_session):
    if amqp_session.is_refusal(error):
        return _same_for_all(targets, UNKNOWN, "RabbitMQ at %s refuses the account of the service (%s)." % (
            broker.shown, said(error)))
    if getattr(error, "reply_code", None) == FORBIDDEN:  # it may use its own queues, and none of ours
        return _same_for_all(targets, UNKNOWN, "RabbitMQ at %s: %s" % (broker.shown, said(error)))
    return _same_for_all(targets, UNREACHABLE, "%s: %s" % (broker.shown, reason(error)))


def said(error):
    """The text with which a broker refused, without the name of its code ('ACCESS_REFUSED - '). pika puts the exception
    of a connection that was closed during the handshake into another one, as text."""
    text = getattr(error, "reply_text", None) or " ".join(str(arg) for arg in error.args)
    text = text.partition(") ")[2][1:-1] if ": (" in text else text
    return " ".join((text.partition(" - ")[2] or text).split())[:160]


def refused_queue(target, error):
    """The Reply for a queue for which RabbitMQ closed the channel: MISSING only where it says that there is none."""
    code, text = error.reply_code, said(error)
    if code == NOT_FOUND and text.startswith("no queue"):
        return Reply(target, MISSING)
    before, named, after = text.partition("queue '%s' in vhost '" % target)
    text = before + "queue" + after.partition("'")[2] if named else text  # the sentence about it says which one
    if code == FORBIDDEN:
        return Reply(target, UNKNOWN, None, "RabbitMQ: " + text)
    return Reply(target, UNREACHABLE, None, UNSERVED + text)


def reason(error, depth=6):
    """The text of an exception. pika wraps the cause in layers (workflow, connector, phase) and prints none of them."""
    causes = list(getattr(error, "args", ())) + list(getattr(error, "exceptions", ())) + [
        getattr(error, "exception", None)]
    inner = [one for one in causes if isinstance(one, BaseException)]
    if inner and depth:
        return reason(inner[-1], depth - 1)
    if getattr(error, "verify_message", None):  # of ssl.SSLCertVerificationError; its text also names a line of OpenSSL
        return "its certificate is refused: %s" % error.verify_message
    text = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return "no answer" if "timed out" in text.lower() or "AMQPConnectionError" in text else text[:160]


class _Calls:
    """The calls to all targets over one Session. complete: whether the broker answered to the last."""

    def __init__(self, session, exchange, targets, method):
        self.session, self.exchange, self.targets, self.method = session, exchange, targets, method
        # The name begins as those of the services do, so that permissions and policies for them hold for it.
        self.queue, self.complete = "reply_quorate_%s" % _unique(), False
        # Target -> what the broker said of its queue, a Reply: SILENT with its consumers, if it serves it.
        self._queues = {}
        self._replies, self._waiting, self._echo = {}, {}, False

    def prepare(self, end):
        """Make the queue for replies, and ask for the queues of the targets. Raises as Session.open() does."""
        self.session.open(end)
        request = self.session.request
        request(end, lambda channel, done: channel.queue_declare(
            self.queue, exclusive=True, auto_delete=True, callback=done))
        # Services up to Stein reply through an exchange of that name, later ones through the default exchange.
        request(end, lambda channel, done: channel.exchange_declare(
            self.queue, "direct", auto_delete=True, callback=done))
        request(end, lambda channel, done: channel.queue_bind(self.queue, self.queue, self.queue, callback=done))
        self.session.channel.basic_consume(self.queue, self._take, auto_ack=True)
        for target in self.targets:
            self._ask_for(target)
        try:
            self.session.wait(end, lambda: len(self._queues) == len(self.targets))
        except Exception:
            if not self._queues:
                raise
            # Of some queues it answered: the node that has the others may hang.

    def _ask_for(self, target):
        """Ask for the number of consumers of a queue. One that is not served closes the channel: each has its own."""
        def opened(channel):
            channel.add_on_close_callback(closed)
            channel.queue_declare(target, passive=True, callback=lambda frame: found(channel, frame))

        def found(channel, frame):
            self._queues[target] = Reply(target, SILENT, frame.method.consumer_count)
            channel.close()
            self.session.wake()

        def closed(_channel, error):
            if type(error).__name__ == "ChannelClosedByBroker":
                self._queues.setdefault(target, refused_queue(target, error))
            self.session.wake()

        self.session.connection.channel(on_open_callback=opened)

    def made(self, end):
        """Call them, and collect replies until the monotonic time `end`. A tuple of Replies."""
        for target in self.targets:
            known = self._queues.get(target) or Reply(target, UNREACHABLE, None, UNSERVED + "no answer")
            if known.outcome != SILENT:
                self._replies[target] = known
            elif not known.consumers:
                self._replies[target] = known._replace(reason="its queue has no consumer")
            else:
                self._publish(target, known.consumers, end)
        if self._waiting:
            self.session.channel.basic_publish("", self.queue, ECHO)
            self._collect(end)
        return tuple(self._replies[target] for target in self.targets)

    def _publish(self, target, consumers, end):
        import pika
        message_id, left = _unique(), max(1.0, end - monotonic())
        self._waiting[message_id] = Reply(target, SILENT, consumers)
        self.session.channel.basic_publish(
            self.exchange, target, _message(self.method, self.queue, message_id, left), pika.BasicProperties(
                content_type="application/json", content_encoding="utf-8", priority=0, expiration="%d" % (left * 1000)))

    def _take(self, _channel, _method, _properties, body):
        if body == ECHO:
            self._echo = True
        reply = self._waiting.pop(_answered(body), None)
        if reply is not None:
            self._replies[reply.target] = reply._replace(outcome=ANSWERED)
        self.session.wake()

    def _collect(self, end):
        """Wait for the replies."""
        outcome, why = SILENT, ""
        try:
            self.session.wait(end, lambda: not self._waiting or self.session.blocked)
            self.complete = True
        except Exception as error:
            if type(error).__name__ != "NoAnswer":
                outcome, why = UNREACHABLE, reason(error)
            self.complete = self._echo
        if self.session.blocked:
            outcome, why = UNREACHABLE, "it takes no messages: %s" % self.session.blocked
        elif outcome == SILENT and not self._echo:
            outcome, why = UNREACHABLE, "it took a message and did not deliver it"
        for reply in self._waiting.values():
            self._replies[reply.target] = reply._replace(outcome=outcome, reason=why)


def _unique():
    import os
    return os.urandom(16).hex()


def _message(method, reply_queue, message_id, seconds):
    body = dict(CONTEXT, method=method.method, args=dict(method.args), version=method.version, _msg_id=message_id,
                _unique_id=_unique(), _reply_q=reply_queue, _timeout=max(1, int(seconds)))
    if method.namespace:
        body["namespace"] = method.namespace
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(body)}).encode()


def _answered(body):
    """The message id of the call that a reply is for, None when it is something else."""
    try:
        data = json.loads(body)
        data = json.loads(data["oslo.message"]) if "oslo.message" in data else data
        return data.get("_msg_id")
    except (ValueError, TypeError, AttributeError):
        return None
