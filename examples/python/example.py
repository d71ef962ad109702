"""Asks a coordinator from Python: example.py HOST:PORT"""

import sys
import uuid

from souk_client import Client, SoukError

TABLE = """CREATE TABLE python_notes (
  vendor_id INTEGER NOT NULL,
  id        INTEGER NOT NULL,
  title     TEXT,
  weight    REAL,
  picture   BLOB,
  PRIMARY KEY (vendor_id, id)
) STRICT, SHARD KEY (vendor_id)"""

NOTES = [
    (1, 1, "naïve — “quoted”", 0.1, b"\x00\xff"),
    (1, 2, None, -1.5e300, None),
    (2, 1, "second vendor", 2.0, b""),
    (3, 9223372036854775807, "the largest integer", None, b"SQLite"),
]


def show(title, answer):
    print(f"\n{title}")
    print("  " + " | ".join(answer.columns))
    for row in answer.rows:
        print("  " + " | ".join(map(repr, row)))
    certificate = answer.certificate
    print(
        f"  {certificate.plan}: asked {certificate.asked}, answered {certificate.answered}, "
        f"pruned {certificate.pruned}, failed {len(certificate.failed)}, rows {certificate.rows}"
    )


def refused(title, ask):
    try:
        ask()
    except SoukError as error:
        print(f"\n{title}\n  {error.reason}: {error.message}")
    else:
        raise AssertionError(f"{title}: it was not refused")


def fill(client):
    if client.query("SELECT COUNT(*) FROM python_notes").rows != [(0,)]:
        return
    for note in NOTES:
        client.execute("INSERT INTO python_notes VALUES (?, ?, ?, ?, ?)", note)


def make_table(client):
    try:
        client.execute(TABLE)
    except SoukError as error:
        if "already exists" not in error.message:
            raise


def main(address):
    with Client(address) as client:
        make_table(client)
        fill(client)
        everything = "SELECT vendor_id, id, title, weight, picture FROM python_notes ORDER BY vendor_id, id"
        answer = client.query(everything)
        assert answer.rows == NOTES, answer.rows
        show("Every row of every shard:", answer)
        show(
            "Positional parameters of all five types:",
            client.query(
                "SELECT ? AS i, ? AS r, ? AS t, ? AS b, ? AS n",
                [-(2**63), 0.1, "text — ü", b"\x00\x01", None],
            ),
        )
        show(
            "Named parameters:",
            client.query(
                "SELECT vendor_id, id FROM python_notes WHERE weight < :most OR picture = :picture ORDER BY 1, 2",
                {":most": 1.0, ":picture": b"SQLite"},
            ),
        )
        one_vendor = "SELECT id, title FROM python_notes WHERE vendor_id = ? ORDER BY id"
        show("One vendor, by its key in the text:", client.query(one_vendor, [1]))
        sums = "SELECT COUNT(*), MAX(weight) FROM python_notes"
        show("One vendor, by its key in the request:", client.query(sums, shard_key=1))
        refused("A mistake in the text:", lambda: client.query("SELECT FROM python_notes"))
        refused("A table that there is not:", lambda: client.query("SELECT * FROM nowhere"))
        insert = "INSERT INTO python_notes (vendor_id, id, weight) VALUES (?, ?, ?)"
        refused("A row that is there already:", lambda: client.execute(insert, [1, 1, None]))
        refused("A value of the wrong type:", lambda: client.execute(insert, [1, 9, "heavy"]))
        weigh = "UPDATE python_notes SET weight = ? WHERE vendor_id = ? AND id = ?"
        move = [(weigh, [3.5, 1, 1], 1), (weigh, [7.25, 2, 1], 1)]
        print("\nTwo vendors' rows, together, sent twice and done once:")
        request = str(uuid.uuid4())
        for _ in range(2):
            print(f"  rows changed: {[done.rows_affected for done in client.transact(move, request)]}")
        assert client.transaction(request) is not None
        client.transact([(weigh, [0.1, 1, 1], 1), (weigh, [2.0, 2, 1], 1)])
        assert client.query(everything).rows == NOTES
        refused("Together or not at all:", lambda: client.transact([move[0], (weigh, [1, 1, 999], 1)]))
        refused("A sum that overflows:", lambda: client.query("SELECT SUM(id) FROM python_notes"))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7070")
