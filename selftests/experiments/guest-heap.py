#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Builds a heap of so many MiB, of the kinds of objects that programs keep, and keeps it.

usage: guest-heap.py NAME GUEST-NUMBER MIB

Nine parts of ten are made from the same data in every guest, the rest from the guest's
number.  Whether the bytes in memory are the same then is another question: objects are
full of pointers.
"""
import json
import random
import sys
import time


class Record:
    def __init__(self, number, source):
        self.number = number
        self.name = "record-%d" % number
        self.values = [source.random() for _ in range(4)]
        self.tags = {"kind": number % 7, "parent": number // 2}


def resident_mib():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) / 256


def build(limit, source):
    kept = []
    number = 0
    while resident_mib() < limit:
        part = [Record(number + i, source) for i in range(200)]
        kept.append({record.name: record for record in part})
        kept.append(json.loads(json.dumps([vars(record) for record in part[:50]])))
        kept.append(source.randbytes(16384))
        kept.append(list(range(number + 1000, number + 1400)))
        number += 200
    return kept


def main():
    name, guest, mib = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    start = resident_mib()
    kept = build(start + mib * 0.9, random.Random(name))
    kept += build(start + mib, random.Random(guest))
    print("built", len(kept), flush=True)
    while True:
        time.sleep(3600)


main()
