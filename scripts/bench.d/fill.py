#!/usr/bin/env python3
"""Fills the asset table of an SQLite file that gridshell has created: fill.py FILE COUNT BYTES IDS_FILE [SEED]"""

import random
import sqlite3
import sys
import uuid

file, count, length, ids_file = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
source = random.Random(int(sys.argv[5]) if len(sys.argv) > 5 else 1)
database = sqlite3.connect(file)
with open(ids_file, "w", encoding="ascii") as ids, database:
    for done in range(1, count + 1):
        asset_id = str(uuid.UUID(int=source.getrandbits(128), version=4))
        ids.write(asset_id + "\n")
        database.execute(
            "INSERT INTO assets (UUID, Name, Description, Type, Local, Temporary, asset_flags, CreatorID, Data) VALUES (?,?,?,?,?,?,?,?,?)",
            (asset_id, "benchmark", "", 0, 0, 0, 0, "11111111-1111-0000-0000-000100bba000", source.randbytes(length)),
        )
        if done % 25000 == 0:
            print(f"   {done} assets", file=sys.stderr)
database.close()
