-- Debian's package index as a catalogue of many vendors: a vendor is a package's maintainer.
--
-- `SHARD KEY (column)` and `REPLICATED` are souk's own table options; everything else is SQLite's. A sharded table's
-- uniqueness holds the shard key, since no shard sees the rows of another.

-- Sharded, though it is small and often wanted beside packages: each join names the vendor's own row, which lies on the
-- vendor's own shard. Replicated, its 2,116 rows would be written to 2,116 shards: 4.5 million rows, more than ten times all others.
CREATE TABLE vendor (
  vendor_id INTEGER PRIMARY KEY,
  name      TEXT NOT NULL,
  kind      TEXT NOT NULL CHECK (kind IN ('team', 'person'))
) STRICT, SHARD KEY (vendor_id);

CREATE TABLE package (
  vendor_id      INTEGER NOT NULL,
  name           TEXT NOT NULL,
  source         TEXT NOT NULL,
  version        TEXT NOT NULL,
  section        TEXT NOT NULL,
  priority       TEXT NOT NULL,
  architecture   TEXT NOT NULL,
  multi_arch     TEXT,
  installed_kb   INTEGER,
  download_bytes INTEGER NOT NULL,
  homepage_host  TEXT,
  summary        TEXT NOT NULL,
  PRIMARY KEY (vendor_id, name)
) STRICT, SHARD KEY (vendor_id);
CREATE INDEX package_by_name ON package (name);
CREATE INDEX package_by_section ON package (section, installed_kb DESC);

-- Rows that share (package, kind, pos) are alternatives: any one of them will do.
CREATE TABLE dependency (
  vendor_id      INTEGER NOT NULL,
  package        TEXT NOT NULL,
  kind           TEXT NOT NULL,
  pos            INTEGER NOT NULL,
  alt            INTEGER NOT NULL,
  target         TEXT NOT NULL,
  op             TEXT,
  target_version TEXT,
  PRIMARY KEY (vendor_id, package, kind, pos, alt)
) STRICT, WITHOUT ROWID, SHARD KEY (vendor_id);
CREATE INDEX dependency_by_target ON dependency (target);

CREATE TABLE tag (
  vendor_id INTEGER NOT NULL,
  package   TEXT NOT NULL,
  facet     TEXT NOT NULL,
  value     TEXT NOT NULL,
  PRIMARY KEY (vendor_id, package, facet, value)
) STRICT, WITHOUT ROWID, SHARD KEY (vendor_id);
CREATE INDEX tag_by_facet ON tag (facet, value);

-- What the kinds of dependency mean, after Debian Policy 7.2: every shard holds all four rows.
CREATE TABLE dependency_kind (
  kind       TEXT PRIMARY KEY NOT NULL,
  strength   INTEGER NOT NULL,
  by_default INTEGER NOT NULL
) STRICT, REPLICATED;
INSERT INTO dependency_kind (kind, strength, by_default) VALUES
  ('Pre-Depends', 4, 1), ('Depends', 3, 1), ('Recommends', 2, 1), ('Suggests', 1, 0);
