#!/usr/bin/env python3
"""Sends events over UDP. Plain Python, nothing to install.

A datagram holds one or more whole frames (see send_tcp.py for what a frame is). Nobody answers, and a datagram that is lost
on the way is lost: `accepted` in http://127.0.0.1:8080/api/v1/stats tells what came.

    python3 examples/python/send_udp.py --count 1000 --topic sensor.1.temperature --rate 10000
"""

import argparse
import socket
import struct
import sys
import time

PRIORITIES = {"BATCH": 0, "LOW": 1, "MEDIUM": 2, "HIGH": 3, "CRITICAL": 4}
# What an Ethernet frame carries without being split.
DATAGRAM_BYTES = 1_400


def frame(topic: bytes, payload: bytes, priority: int) -> bytes:
    return struct.pack(">IBH", 3 + len(topic) + len(payload), priority, len(topic)) + topic + payload


def main() -> int:
    arguments = argparse.ArgumentParser(description="Sends events to EventStreamCore over UDP.")
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=9001)
    arguments.add_argument("--topic", default="sensor.1.temperature")
    arguments.add_argument("--priority", default="mix", choices=["mix", *PRIORITIES], help="mix: all five in turn")
    arguments.add_argument("--count", type=int, default=1_000)
    arguments.add_argument("--size", type=int, default=32, help="bytes of a payload")
    arguments.add_argument("--rate", type=float, default=100_000.0, help="events per second at most")
    options = arguments.parse_args()

    topic = options.topic.encode()
    levels = list(PRIORITIES.values()) if options.priority == "mix" else [PRIORITIES[options.priority]]
    payload = b"x" * options.size
    frames = [frame(topic, payload, level) for level in levels]
    per_datagram = max(1, DATAGRAM_BYTES // len(frames[0]))
    started = time.perf_counter()

    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.connect((options.host, options.port))
        datagrams = 0
        for first in range(0, options.count, per_datagram):
            early = started + first / options.rate - time.perf_counter()
            if early > 0:
                time.sleep(early)
            batch = range(first, min(first + per_datagram, options.count))
            sender.send(b"".join(frames[index % len(frames)] for index in batch))
            datagrams += 1

    seconds = time.perf_counter() - started
    print(f"{options.count} events in {datagrams} datagrams, {seconds:.3f} s: {options.count / seconds:.0f} events/s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit(f"send_udp.py: {error}")
