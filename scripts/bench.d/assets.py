#!/usr/bin/env python3
"""Assets over HTTP, for scripts/bench.

assets.py post URL BYTES        stores an asset with so much data, prints its id
assets.py get URL FILE          saves the body of an answer
assets.py template BYTES        prints a document whose id is to be put in place of ID; its data begin with the id, see `data`
assets.py verify URL BYTES      reads ids, one a line, and fails unless each asset made from the template is there, byte for byte
"""

import base64
import http.client
import sys
import urllib.parse
import uuid

DOCUMENT = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<AssetBase xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
    "<Data>{data}</Data><FullID><Guid>{id}</Guid></FullID><ID>{id}</ID><Name>benchmark</Name><Description />"
    "<Type>0</Type><UploadAttempts>0</UploadAttempts><Local>false</Local><Temporary>false</Temporary>"
    "<CreatorID>11111111-1111-0000-0000-000100bba000</CreatorID><Flags>Normal</Flags></AssetBase>"
)


def data(asset_id, length):
    """The data of an asset: what its id with `+` for the hyphens is in base64 (36 letters, 27 bytes), then a fixed pattern."""
    return base64.b64decode(asset_id.replace("-", "+")) + bytes(i * 7 % 251 for i in range(length - 27))


def request(method, url, body=None):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request(method, parts.path, body, {"Content-Type": "text/xml"} if body else {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != 200:
        sys.exit(f"{method} {url}: status {answer.status}")
    return content


def document(asset_id, length):
    return DOCUMENT.format(id=asset_id, data=base64.b64encode(data(asset_id, length)).decode())


def main():
    match sys.argv[1:]:
        case ["post", url, length]:
            asset_id = str(uuid.uuid4())
            answer = request("POST", url + "/assets/", document(asset_id, int(length)).encode())
            if asset_id.encode() not in answer:
                sys.exit(f"the asset was not stored: {answer}")
            print(asset_id)
        case ["get", url, file]:
            content = request("GET", url)
            with open(file, "wb") as out:
                out.write(content)
        case ["template", length]:
            zero = "00000000-0000-0000-0000-000000000000"
            print(document(zero, int(length)).replace(zero.replace("-", "+"), "DATA", 1).replace(zero, "ID"), end="")
        case ["verify", url, length]:
            ids = sys.stdin.read().split()
            for asset_id in ids:
                if request("GET", f"{url}/assets/{asset_id}/data") != data(asset_id, int(length)):
                    sys.exit(f"asset {asset_id} was answered as stored, and is not what was sent")
            print(f"{len(ids)} of the stored assets read back after a restart, all as they were sent")
        case _:
            sys.exit(__doc__)


main()
