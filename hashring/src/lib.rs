//! Consistent hashing: shard key -> shard. Pure and without I/O.
//!
//! - [`Key`]: a shard key and its canonical bytes.
//! - [`key_hash`]: the hash of these bytes.
//! - [`Ring`]: members with weights, and the shard that owns a hash.
//! - [`Placement`]: pins before the ring.
//! - [`MovePlan`]: what moves when one placement follows another.
//!
//! ```
//! use souk_hashring::{Key, Member, MovePlan, Placement, Ring};
//!
//! let mut members: Vec<Member> = (1..=3).map(|shard| Member { shard, weight: 1 }).collect();
//! let current = Placement { ring: Ring::new(&members, Ring::POINTS_DEFAULT)?, ..Placement::default() };
//! assert_eq!(current.owner(&Key::Integer(42)), Some(3));
//!
//! members.push(Member { shard: 4, weight: 1 });
//! let next = Placement { ring: Ring::new(&members, Ring::POINTS_DEFAULT)?, ..Placement::default() };
//! let plan = MovePlan::between(&current, &next);
//! assert!(plan.ranges.iter().all(|range| range.to == Some(4)));
//! # Ok::<(), souk_hashring::RingError>(())
//! ```
//!
//! # Specification, version 1
//!
//! Where a key's rows are follows from this alone, so all of it is fixed. Any change is a new version
//! ([`Ring::VERSION`], stored in the topology) and moves rows. `tests/golden.rs` holds vectors of each part.
//! Integers are little-endian throughout. A *unit* is the weight 1.
//!
//! **Canonical bytes.** A tag byte, then a payload:
//!
//! | key | tag | payload |
//! |---|---|---|
//! | NULL, and the real NaN | `00` | none |
//! | integer | `01` | 8 bytes, two's complement |
//! | real | `02` | 8 bytes, IEEE 754 binary64; only a real that has no integer's bytes, see below |
//! | text | `03` | its bytes in UTF-8, valid or not, without a terminator |
//! | blob | `04` | its bytes |
//!
//! A real that is a whole number from -2^63 (included) to 2^63 (not included) has the bytes of that integer; so -0.0 has those of 0.
//! Two keys have the same bytes exactly when SQLite's `=` holds without affinity and with collation BINARY, or when both are NULL.
//! Affinity and other collations are the caller's to apply first.
//!
//! **Hash.** XXH3 of 64 bits (`XXH3_64bits_withSeed`), with the seed `0x736f756b00000001` (`souk` in ASCII, then the version).
//! A key's hash is that of its canonical bytes.
//!
//! **Places.** The ring has 2^44 places: the place of a hash is its upper 44 bits, `hash >> 20`.
//!
//! **Points.** A shard (an unsigned number of 64 bits) of weight `w` has `w * points` points, numbered from 0, where `points` belongs to the ring.
//! The hash of a point is that of 13 bytes: `ff`, the shard in 8 bytes, the point's number in 4. A point stands at the place of its hash.
//! Where several points stand at one place, only that of the lowest shard counts.
//!
//! **Owner.** A key belongs to the shard of the first point at the place of the key's hash or after it. Behind the last place comes place 0:
//! a key behind the last point belongs to the shard of the first. A ring without points owns nothing.
//!
//! **Placement.** A pin names a shard for exactly one key, by its canonical bytes. A key with a pin lives there; any other lives where the ring says.
//!
//! What follows: the order of members does not matter. A new shard (or a greater weight) only takes, a shard that leaves (or a smaller
//! weight) only gives: nothing moves between two shards that stay as they are.
//!
//! # Spread
//!
//! A shard's share strays from the mean by about `1 / sqrt(points)`: 8 % for [`Ring::POINTS_DEFAULT`], 1.1 % for [`Ring::POINTS_EVEN`].
//! So the fullest of 100 shards holds about 1.2 times the mean with the one and at most 1.05 times with the other (in 299 of 300
//! sets of shards tried; 1.028 in the median), and a new shard takes its part give or take 10 % with the even setting, give or take 25 % with the default.
//! The price is memory and build time: at 1,000 shards 98 MB and half a second instead of 1.8 MB and 7 ms. A lookup in a ring that large
//! waits once for memory. For a few hundred shards at most, take the even one.

mod hash;
mod key;
mod moves;
mod placement;
mod ring;
mod table;

pub use hash::key_hash;
pub use key::Key;
pub use moves::{MovePlan, PinMove, RangeMove};
pub use placement::Placement;
pub use ring::{Member, Ring, RingError};
