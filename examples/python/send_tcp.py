#!/usr/bin/env python3
"""Sends events over TCP. Plain Python, nothing to install: what a client in any language has to do.

A frame is, big-endian:

    u32 length of what follows | u8 control | u16 topic length | topic | payload

The control byte holds the priority (0 BATCH, 1 LOW, 2 MEDIUM, 3 HIGH, 4 CRITICAL) and, in bit 5, "acknowledge me".
To connections that ask, the server answers

    u32 length of what follows | u8 kind | u64 n | u8 code | text

where n counts the connection's frames from 1. Kind 1: all frames up to n are on disk, but for those refused. Kind 2: frame
n was refused, for the reason in code and text.

    python3 examples/python/send_tcp.py --count 1000 --topic order.created --ack

Ends with 0 when all was sent (with --ack: acknowledged), 1 when the connection failed, 3 when events were refused.
"""

import argparse
import collections
import random
import socket
import struct
import sys
import time

PRIORITIES = {"BATCH": 0, "LOW": 1, "MEDIUM": 2, "HIGH": 3, "CRITICAL": 4}
ACKNOWLEDGE = 0x20
DURABLE, REFUSED = 1, 2
BATCH_FRAMES = 1_000


def frame(topic: bytes, payload: bytes, priority: int, ack: bool = False) -> bytes:
    control = priority | (ACKNOWLEDGE if ack else 0)
    return struct.pack(">IBH", 3 + len(topic) + len(payload), control, len(topic)) + topic + payload


class Answers:
    """Takes the server's answers apart, however they are cut into reads."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.durable = 0
        self.refused = collections.Counter()
        self._refused_ahead = set()  # refused frames that no acknowledgement has passed yet
        self._rest = b""

    def take(self, chunk: bytes) -> None:
        data = self._rest + chunk
        at = 0
        while len(data) - at >= 4:
            (length,) = struct.unpack_from(">I", data, at)
            if len(data) - at < 4 + length:
                break
            kind, n, _code = struct.unpack_from(">BQB", data, at + 4)
            if kind == DURABLE:
                self.durable = max(self.durable, n)
                self._refused_ahead = {frame for frame in self._refused_ahead if frame > n}
            elif kind == REFUSED:
                self.refused[data[at + 14 : at + 4 + length].decode("utf-8", "replace")] += 1
                self._refused_ahead.add(n)
            at += 4 + length
        self._rest = data[at:]

    def poll(self) -> None:
        """Takes what has come, without waiting: a client that never reads its answers is not read either."""
        timeout = self.connection.gettimeout()
        self.connection.setblocking(False)
        try:
            while chunk := self.connection.recv(65_536):
                self.take(chunk)
        except BlockingIOError:
            pass
        finally:
            self.connection.settimeout(timeout)

    def wait_for(self, n: int, timeout: float) -> None:
        """Until the first n frames are all answered."""
        self.connection.settimeout(timeout)
        while self.durable + len(self._refused_ahead) < n:
            chunk = self.connection.recv(65_536)
            if not chunk:
                raise ConnectionError(f"the server closed the connection; {self.durable} of {n} are acknowledged")
            self.take(chunk)


def main() -> int:
    arguments = argparse.ArgumentParser(description="Sends events to EventStreamCore over TCP.")
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=9000)
    arguments.add_argument("--topic", default="order.created")
    arguments.add_argument("--priority", default="mix", choices=["mix", *PRIORITIES], help="mix: all five in turn")
    arguments.add_argument("--count", type=int, default=1_000)
    arguments.add_argument("--size", type=int, default=32, help="bytes of a payload")
    arguments.add_argument("--ack", action="store_true", help="wait until all are on disk")
    arguments.add_argument("--split", action="store_true", help="cut the stream at random bytes; TCP promises no frames")
    arguments.add_argument("--seed", type=int, default=1, help="of the cuts")
    arguments.add_argument("--timeout", type=float, default=30.0, help="seconds without an answer")
    options = arguments.parse_args()

    topic = options.topic.encode()
    levels = list(PRIORITIES.values()) if options.priority == "mix" else [PRIORITIES[options.priority]]
    payload = b"x" * options.size
    frames = [frame(topic, payload, level, options.ack) for level in levels]
    dice = random.Random(options.seed)
    started = time.perf_counter()

    with socket.create_connection((options.host, options.port), timeout=options.timeout) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = Answers(connection)
        for first in range(0, options.count, BATCH_FRAMES):
            batch = range(first, min(first + BATCH_FRAMES, options.count))
            data = memoryview(b"".join(frames[index % len(frames)] for index in batch))
            while data:
                cut = dice.randint(1, len(data)) if options.split else len(data)
                connection.sendall(data[:cut])
                data = data[cut:]
            if options.ack:
                answers.poll()
        if options.ack:
            answers.wait_for(options.count, options.timeout)
        else:
            # The server closes when it has read everything: then nothing is lost with this process.
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(options.timeout)
            while connection.recv(65_536):
                pass

    seconds = time.perf_counter() - started
    print(f"{options.count} events in {seconds:.3f} s: {options.count / seconds:.0f} events/s")
    if options.ack:
        print(f"{options.count - answers.refused.total()} acknowledged as durable")
    for reason, count in answers.refused.items():
        print(f"{count} refused: {reason}")
    return 3 if answers.refused else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ConnectionError) as error:
        sys.exit(f"send_tcp.py: {error}")
