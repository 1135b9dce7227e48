#!/usr/bin/env python3
"""Prints the milliseconds from starting a program until URL answers 200, and ends it: time_to_ready.py URL FOLDER COMMAND..."""

import http.client
import subprocess
import sys
import time
import urllib.parse

url, folder, command = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2], sys.argv[3:]


def ready():
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=5)
    try:
        connection.request("GET", url.path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


begin = time.monotonic()
process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    while not ready():
        if process.poll() is not None:
            sys.exit(f"the program ended with status {process.returncode} before it was ready")
        if time.monotonic() - begin > 60:
            sys.exit("the program was not ready after 60 s")
        time.sleep(0.001)
    print(f"{(time.monotonic() - begin) * 1000:.0f}")
finally:
    process.terminate()
    process.wait()
