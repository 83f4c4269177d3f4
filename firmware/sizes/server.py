"""What the server says to each reference program, and what it must hear."""

from line import *


def acknowledge(line, message):
    """The server takes a message of the program, as its QoS asks for."""
    if message.qos == 1:
        line.send(packet(PUBACK, u16(message.id)))
    elif message.qos == 2:
        line.send(packet(PUBREC, u16(message.id)))
        line.take(PUBREL)
        line.send(packet(PUBCOMP, u16(message.id)))


def connack(present, code=0):
    return packet(CONNACK, bytes([present, code]))


def connect(line, present=False):
    """CONNECT is accepted; with a new session, the program subscribes."""
    connect = line.take(CONNECT)
    line.send(connack(present))
    if not present:
        subscribe = line.take(SUBSCRIBE)
        line.send(packet(SUBACK, u16(subscribe.id) + b"\x02"))
    return connect


def keep_alive(line):
    """A ping that is answered, and one that is not."""
    with line.step("keep-alive"):
        line.wait()
        line.take(PINGREQ)
        line.send(packet(PINGRESP))
    with line.step("time-out"):
        line.wait()
        line.take(PINGREQ)
        line.wait()
        connect(line, present=True)


def qos0(line):
    with line.step("connect"):
        body = line.take(CONNECT).body
        if not body.endswith(string("user") + string("secret")):
            raise Unexpected(f"a CONNECT without credentials: {body}")
        line.send(connack(False))
    with line.step("publish at QoS 0"):
        for _ in range(20):
            line.wait(1)
            line.take(PUBLISH)
    with line.step("keep-alive"):
        line.wait()
        line.take(PINGREQ)
        line.take(PUBLISH)
        line.send(packet(PINGRESP))
    with line.step("time-out"):
        line.wait()
        line.take(PINGREQ)
        line.take(PUBLISH)
        line.wait()
        line.take(CONNECT)
        line.send(connack(False))
    with line.step("lost connection"):
        line.lose()
        line.take(CONNECT)
        line.send(connack(False, 5))
        line.take(CONNECT)
        line.send(connack(False))
    with line.step("disconnect"):
        line.wait(100_000)
        line.take(PUBLISH)
        line.take(DISCONNECT)
        line.take(CONNECT)


def v311(line):
    with line.step("connect and subscribe"):
        body = connect(line).body
        tail = string("sensor-7") + string("state") + string("gone") + string("user") + \
            string("secret")
        if not body.endswith(tail):
            raise Unexpected(f"a CONNECT without will and credentials: {body}")
    for qos in range(3):
        with line.step(f"receive and publish at QoS {qos}"):
            line.send(publish("to/a", b"hello" * 20, qos, 7))
            if qos == 1:
                line.take(PUBACK)
            elif qos == 2:
                line.take(PUBREC)
            message = line.take(PUBLISH)
            acknowledge(line, message)
            if qos == 2:
                line.send(packet(PUBREL, u16(7)))
                line.take(PUBCOMP)
    for qos in range(3):
        with line.step(f"receive a payload larger than the buffer at QoS {qos}"):
            payload = bytes(range(256)) * 4
            line.send(publish("to/a", payload, qos, 8))
            if qos == 1:
                line.take(PUBACK)
            elif qos == 2:
                line.take(PUBREC)
            message = line.take(PUBLISH)
            if not message.body.endswith(sum(payload).to_bytes(4, "big")):
                raise Unexpected(f"{message} is not the sum of {sum(payload)}")
            if qos == 2:
                line.send(packet(PUBREL, u16(8)))
                line.take(PUBCOMP)
    with line.step("messages sent again after a lost connection"):
        line.send(publish("to/a", b"1", 1, 9), publish("to/a", b"2", 2, 10),
                  publish("to/a", b"3", 2, 11))
        for packet_type in (PUBACK, PUBREC, PUBREC):
            line.take(packet_type)
        first, second, third = (line.take(PUBLISH) for _ in range(3))
        line.send(packet(PUBREC, u16(third.id)))
        line.take(PUBREL)
        line.lose()
        connect(line, present=True)
        line.take(PUBREL)
        for message in (first, second):
            again = line.take(PUBLISH)
            if not again.is_dup or again.id != message.id:
                raise Unexpected(f"{again} is not {message} sent again")
            acknowledge(line, again)
        line.send(packet(PUBCOMP, u16(third.id)))
        line.send(packet(PUBREL, u16(10)), packet(PUBREL, u16(11)))
        line.take(PUBCOMP)
        line.take(PUBCOMP)
    with line.step("a message lost with its session"):
        line.send(publish("to/a", b"1", 1, 12))
        line.take(PUBACK)
        line.take(PUBLISH)
        line.lose()
        connect(line)
    keep_alive(line)
    with line.step("refused, then accepted"):
        line.lose()
        line.take(CONNECT)
        line.send(connack(False, 5))
        connect(line, present=True)
    with line.step("unsubscribe"):
        line.send(publish("to/U", b""))
        unsubscribe = line.take(UNSUBSCRIBE)
        line.send(packet(UNSUBACK, u16(unsubscribe.id)))
    with line.step("what breaks the protocol"):
        line.send(packet(PUBACK, u16(0)))
        connect(line, present=True)
    with line.step("disconnect"):
        line.send(publish("to/D", b""))
        line.take(DISCONNECT)
        line.take(CONNECT)


both = v311
