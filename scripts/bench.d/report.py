#!/usr/bin/env python3
"""Writes the table of a case between its markers in docs/benchmarks.md: report.py FILE CASE TABLE_FILE BINARY"""

import datetime
import os
import platform
import re
import subprocess
import sys

document, case, table_file, binary = sys.argv[1:]


def output(*command):
    """The first line of what a command says, on whichever stream; a question mark if it fails or there is no such command."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError:
        return "?"
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else "?"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(re.search(r"^MemTotal:\s*(\d+)", file.read(), re.M).group(1)) / 1048576
    name = model.group(1) if model else platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0))} processors, {memory:.0f} GB, Linux {platform.release()}"


def versions():
    here = os.path.dirname(document)
    commit = output("git", "-C", here, "describe", "--always", "--dirty")
    nginx = output("/usr/sbin/nginx", "-v").replace("nginx version: ", "")
    size = os.path.getsize(binary) / 1048576
    return f"gridshell {commit} ({size:.1f} MB), {nginx}, {output('rustc', '--version')}"


with open(table_file, encoding="utf-8") as file:
    table = file.read()
with open(document, encoding="utf-8") as file:
    text = file.read()
begin, end = f"<!-- results of {case} -->", f"<!-- end of {case} -->"
if text.count(begin) != 1 or text.count(end) != 1:
    sys.exit(f"{document} has no place for the results of {case}: {begin} ... {end}")
head, rest = text.split(begin)
result = f"{begin}\n\n{datetime.date.today()}: {machine()}; {versions()}.\n\n{table}\n{end}"
with open(document, "w", encoding="utf-8") as file:
    file.write(head + result + rest.split(end)[1])
