#!/usr/bin/env python3
"""A wire between network namespaces with delay, jitter and loss by seed. Needs root and Python 3, nothing else.

    wire.py '{"seed": 1, "hosts": [{"netns": "lab-a", "address": "198.18.0.1"},
                                   {"netns": "lab-b", "address": "198.18.0.2",
                                    "delay_ms": 5, "jitter_ms": 0.5, "loss": 0.05}]}'

It makes the namespaces with one TUN device each, prints "ready", and carries packets until its standard input ends or
it is told to stop; then namespaces and devices are gone. Delay, jitter and loss belong to a host and apply to each
packet from it and to it. Addresses come from 198.18.0.0/15, the benchmarking range (RFC 2544); nothing of the
machine's own network is touched.
"""

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
PACKET_BYTES_MAX = 2048
# Packets on their way; beyond it the wire drops, as wires do.
UNDER_WAY_MAX = 100_000
# Longest wait of one select, so that a signal is never late.
WAIT_S_MAX = 0.2

LIBC = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    """Moves this thread into an open network namespace."""
    if LIBC.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


def plug(host):
    """The TUN device of a host, made inside its namespace and kept by this process."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open("/run/netns/" + host["netns"], os.O_RDONLY)
    try:
        enter(there)
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"wire", IFF_TUN | IFF_NO_PI))
    finally:
        enter(home)
        os.close(home)
        os.close(there)
    ip("-n", host["netns"], "link", "set", "lo", "up")
    ip("-n", host["netns"], "addr", "add", host["address"] + "/24", "dev", "wire")
    ip("-n", host["netns"], "link", "set", "wire", "up")
    return device


def carry(hosts, devices, seed):
    """Carries packets until standard input ends."""
    chance = random.Random(seed)
    by_address = {bytes(map(int, host["address"].split("."))): number for number, host in enumerate(hosts)}
    under_way, serial = [], 0
    readers = [0, *devices]
    while True:
        now = time.monotonic()
        while under_way and under_way[0][0] <= now:
            _, _, device, packet = heapq.heappop(under_way)
            try:
                os.write(device, packet)
            except OSError:
                pass  # its queue is full: lost, as on a wire
        wait = min(WAIT_S_MAX, under_way[0][0] - now) if under_way else WAIT_S_MAX
        ready, _, _ = select.select(readers, [], [], max(wait, 0))
        if 0 in ready and not os.read(0, 64):
            return
        for source, device in enumerate(devices):
            if device not in ready:
                continue
            packet = os.read(device, PACKET_BYTES_MAX)
            target = by_address.get(packet[16:20]) if len(packet) >= 20 and packet[0] >> 4 == 4 else None
            if target is None or len(under_way) >= UNDER_WAY_MAX:
                continue
            ends = (hosts[source], hosts[target])
            # Both are always drawn, so that one host's settings do not change another's luck.
            luck, spread = chance.random(), chance.random()
            if luck < 1 - (1 - ends[0].get("loss", 0)) * (1 - ends[1].get("loss", 0)):
                continue
            delay_ms = sum(end.get("delay_ms", 0) + spread * end.get("jitter_ms", 0) for end in ends)
            serial += 1
            heapq.heappush(under_way, (time.monotonic() + delay_ms / 1000, serial, devices[target], packet))


def main():
    plan = json.loads(sys.argv[1])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    made = []
    try:
        for host in plan["hosts"]:
            ip("netns", "add", host["netns"])
            made.append(host["netns"])
        devices = [plug(host) for host in plan["hosts"]]
        print("ready", flush=True)
        carry(plan["hosts"], devices, plan["seed"])
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False)


main()
