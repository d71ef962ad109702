#!/usr/bin/env python3
"""Cuts the whole Debian catalogue down to the copy beside this file: trim.py FULL_FOLDER TO_FOLDER.

The same input gives the same bytes. The rule stands in README.md."""

import csv
import gzip
import io
import sys
from collections import Counter
from pathlib import Path

VENDOR_STEP = 10
LARGEST_VENDORS = 5
PACKAGES_WHOLE = 15
PACKAGE_STEP = 10


def read(folder, table):
    with gzip.open(folder / f"{table}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(folder, table, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    # No time and no file name in the header: they would differ from run to run.
    packed = gzip.compress(text.getvalue().encode("utf-8"), compresslevel=9, mtime=0)
    (folder / f"{table}.csv.gz").write_bytes(packed)


def kept_vendors(vendors, packages):
    sizes = Counter(package["vendor_id"] for package in packages)
    largest = sorted(sizes, key=lambda vendor: (-sizes[vendor], int(vendor)))[:LARGEST_VENDORS]
    every_tenth = (v["vendor_id"] for v in vendors if int(v["vendor_id"]) % VENDOR_STEP == 0)
    unknown_size = (package["vendor_id"] for package in packages if not package["installed_kb"])
    return {*largest, *every_tenth, *unknown_size}


def kept_packages(packages, vendors):
    seen = Counter()
    for package in packages:
        vendor = package["vendor_id"]
        if vendor not in vendors:
            continue
        place = seen[vendor]
        seen[vendor] += 1
        odd = not package["installed_kb"] or not package["summary"].isascii()
        if place < PACKAGES_WHOLE or place % PACKAGE_STEP == 0 or odd:
            yield package


def main(full, to):
    vendors, packages = read(full, "vendor"), read(full, "package")
    ids = kept_vendors(vendors, packages)
    packages = list(kept_packages(packages, ids))
    names = {package["name"] for package in packages}
    write(to, "vendor", [vendor for vendor in vendors if vendor["vendor_id"] in ids])
    write(to, "package", packages)
    for table in ("dependency", "tag"):
        write(to, table, [row for row in read(full, table) if row["package"] in names])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
