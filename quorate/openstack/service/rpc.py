# SPDX-License-Identifier: Apache-2.0
"""An RPC call through RabbitMQ, as oslo.messaging's clients make it.

The envelope is oslo.messaging's version 2.0 (_drivers/common.py serialize_msg, _drivers/amqp.py). Any reply proves that
the service works, also one that the method is not known: a worker took the call out of the queue and answered.
"""

import json

from quorate.openstack.facts import ANSWERED, MISSING, PING, SILENT, UNKNOWN, UNREACHABLE, Reply

CONTEXT = {"_context_read_deleted": "no",  # Cinder's context requires it
           "_context_user_id": None, "_context_project_id": None, "_context_is_admin": True, "_context_roles": []}


def call(brokers, exchange, targets, seconds, method=PING):
    """A tuple of a Reply for each target ('cinder-volume.host@backend': topic and server), in about `seconds`."""
    try:
        import logging
        import pika
    except ImportError:
        return _same_for_all(targets, UNKNOWN, "pika is not installed (apt install python3-pika).")
    logger = logging.getLogger("pika")  # its messages are for developers; ours say what failed
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    from time import monotonic
    end = monotonic() + seconds
    connection, failure = None, Reply("", UNREACHABLE, None, "no broker is configured")
    for broker in brokers:
        share = max(0.5, (end - monotonic()) / 2)
        connection, failure = _connect(pika, broker, share)
        if connection is not None or monotonic() > end:
            break
    if connection is None:
        return _same_for_all(targets, failure.outcome, failure.reason)
    try:
        return _calls(pika, connection, exchange, targets, method, end)
    except (pika.exceptions.AMQPError, OSError) as error:
        return _same_for_all(targets, UNREACHABLE, _reason(error))
    finally:
        try:
            connection.close()
        except Exception:
            pass


def _same_for_all(targets, outcome, reason):
    return tuple(Reply(target, outcome, None, reason) for target in targets)


def _connect(pika, broker, seconds):
    """(connection, None), or (None, Reply with the reason)."""
    from quorate.host.names import lookup
    options = None
    if broker.tls:
        import ssl
        context = ssl.create_default_context()
        # As the service does when no authority is set.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        options = pika.SSLOptions(context, broker.host)
    try:
        lookup(broker.host, broker.port, seconds)  # pika's own lookup has no time limit
        return pika.BlockingConnection(pika.ConnectionParameters(
            host=broker.host, port=broker.port, virtual_host=broker.name, ssl_options=options, socket_timeout=seconds,
            credentials=pika.PlainCredentials(broker.user or "guest", broker.password or "guest"),
            connection_attempts=1, stack_timeout=seconds, blocked_connection_timeout=seconds, heartbeat=0,
            client_properties={"connection_name": "quorate monitor"})), None
    except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError) as error:
        return None, Reply("", UNKNOWN, None, "RabbitMQ at %s refuses the account of the service (%s)." % (
            broker.shown, type(error).__name__))
    except Exception as error:  # pika raises what getaddrinfo, ssl and its own state machine raise
        return None, Reply("", UNREACHABLE, None, "%s: %s" % (broker.shown, _reason(error)))


def _reason(error, depth=6):
    """The text of an exception. pika wraps the cause in layers (workflow, connector, phase) and prints none of them."""
    inner = [one for one in list(getattr(error, "args", ())) + [getattr(error, "exception", None)]
             if isinstance(one, BaseException)]
    if inner and depth:
        return _reason(inner[-1], depth - 1)
    text = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return "no answer" if "timed out" in text.lower() or "AMQPConnectionError" in text else text[:160]


def _calls(pika, connection, exchange, targets, method, end):
    """Call all targets, and collect replies until the monotonic time `end`. A tuple of Replies."""
    from time import monotonic
    replies, waiting, channel = {}, {}, connection.channel()
    queue = "quorate_reply_%s" % _unique()
    channel.queue_declare(queue, exclusive=True, auto_delete=True)
    # Services up to Stein reply through an exchange of that name, later ones through the default exchange.
    channel.exchange_declare(queue, "direct", auto_delete=True)
    channel.queue_bind(queue, queue, queue)
    for target in targets:
        consumers = _consumers(pika, connection, target)
        if consumers is None:
            replies[target] = Reply(target, MISSING)
        elif consumers == 0:
            replies[target] = Reply(target, SILENT, 0, "its queue has no consumer")
        else:
            message_id = _unique()
            waiting[message_id] = Reply(target, SILENT, consumers)
            body = _message(method, queue, message_id, end - monotonic())
            channel.basic_publish(exchange, target, body, pika.BasicProperties(
                content_type="application/json", content_encoding="utf-8", priority=0,
                expiration="%d" % max(1000, (end - monotonic()) * 1000)))
    for _method, _properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.1):
        if body is not None:
            reply = waiting.pop(_answered(body), None)
            if reply is not None:
                replies[reply.target] = reply._replace(outcome=ANSWERED)
        if not waiting or monotonic() > end:
            break
    for reply in waiting.values():
        replies[reply.target] = reply
    return tuple(replies[target] for target in targets)


def _consumers(pika, connection, queue):
    """The number of consumers of a queue; None: there is no such queue, which closes the channel: it has its own."""
    channel = connection.channel()
    try:
        count = channel.queue_declare(queue, passive=True).method.consumer_count
        channel.close()
        return count
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code == 404:
            return None
        raise


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
