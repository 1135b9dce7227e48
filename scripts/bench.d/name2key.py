#!/usr/bin/env python3
"""Times programs and picks names, for scripts/bench.

name2key.py time COMMAND...                 runs it with its output thrown away; prints its seconds and the most MB of memory it had resident
name2key.py targets FILE COUNT NAMES KEYS   picks COUNT rows of a file of names (.csv.bz2) and writes the targets of their look-ups by
                                            name and by key, one a line
"""

import bz2
import os
import random
import resource
import subprocess
import sys
import time
import urllib.parse


def timed(command):
    started = time.monotonic()
    status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode
    seconds = time.monotonic() - started
    if status != 0:
        sys.exit(f"{command[0]} ended with status {status}")
    print(f"{seconds:.2f} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f}")


def targets(file, count, names, keys):
    """One pass, each row with the same chance."""
    source, picked = random.Random(1), []
    with bz2.open(file, "rt", encoding="utf-8") as rows:
        for number, row in enumerate(rows):
            at = number if number < count else source.randrange(number + 1)
            if at < count:
                picked[at : at + 1] = [row.rstrip("\n").split(",", 1)]
    source.shuffle(picked)
    with open(names, "w", encoding="utf-8") as by_name, open(keys, "w", encoding="utf-8") as by_key:
        for key, name in picked:
            by_name.write(f"/name2key?terse=1&name={urllib.parse.quote_plus(name)}\n")
            by_key.write(f"/key2name/{key}\n")


def main():
    match sys.argv[1:]:
        case ["time", *command] if command:
            timed(command)
        case ["targets", file, count, names, keys]:
            targets(file, int(count), names, keys)
        case _:
            sys.exit(__doc__)


main()
