#!/usr/bin/env python3
"""Writes avatar names as W-Hat's export has them, for scripts/bench: make_names.py COUNT FILE.csv.bz2

Lines `UUID,First Last`, sorted by name, each name once, 60 % of them `Resident`. The same COUNT always gives the same bytes. Needs the
program bzip2. Nine million names take about a minute.
"""

import random
import subprocess
import sys

FIRST_BITS = [consonant + vowel for consonant in "bcdfghjklmnprstvwxyz" for vowel in "aeiou"]
LAST_BITS = ["ar", "bel", "cor", "den", "fal", "gar", "hol", "ker", "lin", "mar", "nor", "ost", "pel", "ric", "son", "tor", "val", "win"]
LAST_NAMES = sorted((one + two).capitalize() for one in LAST_BITS for two in LAST_BITS)
FIRST_NAMES = len(FIRST_BITS) ** 3
MOST = FIRST_NAMES * 50

if len(sys.argv) != 3 or not sys.argv[1].isdigit() or not 0 < int(sys.argv[1]) <= MOST:
    sys.exit(__doc__ + f"\nCOUNT is at most {MOST}.")
count, file = int(sys.argv[1]), sys.argv[2]
source = random.Random(1)


def first_name(number):
    rest, last = divmod(number, len(FIRST_BITS))
    first, middle = divmod(rest, len(FIRST_BITS))
    return (FIRST_BITS[first] + FIRST_BITS[middle] + FIRST_BITS[last]).capitalize()


def names_with(first, residents, others):
    """So many names that begin with a first name, in order: a blank comes before digits, so those without a number come first."""
    names = [f"{first} {last}" for last in source.sample(LAST_NAMES, others)]
    names += [f"{first} Resident"] * (residents > 0)
    numbers = source.sample(range(1000), max(residents - 1, 0))
    return sorted(names) + sorted(f"{first}{number} Resident" for number in numbers)


def lines_of(names):
    digits = source.randbytes(16 * len(names)).hex()
    for at, name in zip(range(0, len(digits), 32), names):
        key = digits[at : at + 32]
        yield f"{key[:8]}-{key[8:12]}-4{key[13:16]}-{key[16:20]}-{key[20:]},{name}\n"


groups = min(FIRST_NAMES, max(1, count // 9))
written = residents = 0
with open(file, "wb") as output:
    packer = subprocess.Popen(["bzip2", "-9", "-c"], stdin=subprocess.PIPE, stdout=output)
    for group in range(groups):
        # Whole numbers that add up exactly: of all names, and of those without a last name.
        goal = count * (group + 1) // groups
        residents_goal = goal * 3 // 5
        new_residents = residents_goal - residents
        names = names_with(first_name(group * FIRST_NAMES // groups), new_residents, goal - written - new_residents)
        packer.stdin.write("".join(lines_of(names)).encode("ascii"))
        if goal // 500000 != written // 500000:
            print(f"   {goal} names", file=sys.stderr)
        written, residents = goal, residents_goal
    packer.stdin.close()
    if packer.wait() != 0:
        sys.exit(f"bzip2 failed with status {packer.returncode}")
