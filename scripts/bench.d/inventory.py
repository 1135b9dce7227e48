#!/usr/bin/env python3
"""Inventories, for scripts/bench.

inventory.py fill FILE FOLDER                     fills the tables of an SQLite file that gridshell has created; writes into FOLDER the forms
                                                  `content` (a folder with 500 items) and `skeleton` (2,000 folders), and `users`, which
                                                  lists 16 users with their root folders
inventory.py ask URL FORM COUNT PREFIX FILE       saves the answer to a form, which must have so many elements that begin with PREFIX
inventory.py count FILE                           reads numbers, one a line, of items that were answered as added, and fails unless the
                                                  file holds them all
"""

import http.client
import os
import random
import re
import sqlite3
import sys
import urllib.parse
import uuid

ZERO = "00000000-0000-0000-0000-000000000000"
FULL = 647168
ITEM_COLUMNS = (
    "inventoryID, assetID, assetType, invType, parentFolderID, avatarID, creatorID, inventoryName, inventoryDescription,"
    "inventoryNextPermissions, inventoryCurrentPermissions, inventoryBasePermissions, inventoryEveryOnePermissions,"
    "inventoryGroupPermissions, groupID, groupOwned, salePrice, saleType, flags, creationDate"
)
source = random.Random(1)


def new_id():
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


def add_folder(database, owner, parent, folder_type, name):
    folder = new_id()
    row = (folder, parent, owner, folder_type, 1, name)
    database.execute(
        "INSERT INTO inventoryfolders (folderID, parentFolderID, agentID, type, version, folderName) VALUES (?,?,?,?,?,?)", row
    )
    return folder


def add_root(database, owner):
    return add_folder(database, owner, ZERO, 8, "My Inventory")


def add_item(database, owner, folder, number):
    row = (new_id(), new_id(), 6, 6, folder, owner, f"{new_id()};http://grid.example:8002/;Jane Doe", f"Item {number} & more")
    row += ("as a region stores it", 581632, FULL, FULL, 0, 0, ZERO, 0, 0, 0, 0, 1700000000 + number)
    database.execute(f"INSERT INTO inventoryitems ({ITEM_COLUMNS}) VALUES ({','.join('?' * len(row))})", row)


def fill(file, folder):
    database = sqlite3.connect(file)
    with database:
        user = new_id()
        full = add_folder(database, user, add_root(database, user), -1, "Full")
        for number in range(500):
            add_item(database, user, full, number)
        content = f"METHOD=GETFOLDERCONTENT&PRINCIPAL={user}&FOLDER={full}"
        user = new_id()
        folders = [add_root(database, user)]
        for number in range(1, 2000):
            folders.append(add_folder(database, user, source.choice(folders), -1, f"Folder {number}"))
        skeleton = f"METHOD=GETINVENTORYSKELETON&PRINCIPAL={user}"
        users = [new_id() for _ in range(16)]
        users = "".join(f"{user} {add_root(database, user)}\n" for user in users)
        # A grid has more than one user's items in its tables.
        for _ in range(100):
            user = new_id()
            root = add_root(database, user)
            for number in range(500):
                add_item(database, user, root, number)
    database.close()
    for name, text in (("content", content), ("skeleton", skeleton), ("users", users)):
        with open(os.path.join(folder, name), "w", encoding="ascii") as out:
            out.write(text)


def ask(url, form, count, prefix, file):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("POST", "/xinventory", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    found = len(re.findall(f"<{prefix}[0-9]+ ".encode(), body))
    if answer.status != 200 or found != int(count):
        sys.exit(f"{form}: status {answer.status}, {found} of {count} elements {prefix}")
    with open(file, "wb") as out:
        out.write(body)


def count(file):
    answered = sum(int(line) for line in sys.stdin)
    database = sqlite3.connect(file)
    (stored,) = database.execute("SELECT count(*) FROM inventoryitems WHERE inventoryName = 'added'").fetchone()
    database.close()
    if answered == 0 or stored < answered:
        sys.exit(f"{answered} items were answered as added, and {stored} are there")
    print(f"{answered} items were answered as added; after the program was killed {stored} are there")


def main():
    match sys.argv[1:]:
        case ["fill", file, folder]:
            fill(file, folder)
        case ["ask", url, form, number, prefix, file]:
            ask(url, form, number, prefix, file)
        case ["count", file]:
            count(file)
        case _:
            sys.exit(__doc__)


main()
