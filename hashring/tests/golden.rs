//! The specification in numbers. They came from another implementation (Python, with the reference xxHash in C) and never change within a version.

use souk_hashring::{Key, Member, MovePlan, Placement, RangeMove, Ring, key_hash};

fn check_key(key: Key, hex: &str, hash: u64) {
    let bytes = key.canonical_bytes();
    let shown: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(shown, hex, "bytes of {key:?}");
    assert_eq!(key_hash(&bytes), hash, "hash of {key:?}");
}

#[test]
fn version_is_that_of_these_numbers() {
    assert_eq!(Ring::VERSION, 1);
}

#[test]
fn null_and_integers() {
    check_key(Key::Null, "00", 0x400e_80ac_2f57_290f);
    check_key(Key::Integer(0), "010000000000000000", 0x7d82_a2e5_8deb_c794);
    check_key(Key::Integer(1), "010100000000000000", 0xf2bf_539d_4056_574a);
    check_key(Key::Integer(-1), "01ffffffffffffffff", 0xbe68_4fab_6a12_bb1f);
    check_key(Key::Integer(42), "012a00000000000000", 0x95da_d5f8_d42d_bcba);
    check_key(Key::Integer(i64::MIN), "010000000000000080", 0xbe1c_8fd1_fccc_ba17);
    check_key(Key::Integer(i64::MAX), "01ffffffffffffff7f", 0xb491_3cdd_c67b_7c68);
}

#[test]
fn reals() {
    check_key(Key::Real(0.5), "02000000000000e03f", 0x6884_9571_b284_6685);
    check_key(Key::Real(-1.25), "02000000000000f4bf", 0xaf13_29fa_892a_cb82);
    check_key(Key::Real(9_223_372_036_854_775_808.0), "02000000000000e043", 0xd83d_0c9d_8326_42aa);
    check_key(Key::Real(f64::INFINITY), "02000000000000f07f", 0xf4cf_06f0_ecd3_a571);
    check_key(Key::Real(f64::NEG_INFINITY), "02000000000000f0ff", 0x442e_ac70_b55f_7c81);
    check_key(Key::Real(5e-324), "020100000000000000", 0x471d_5aba_f938_d780);
}

#[test]
fn reals_with_an_integers_bytes() {
    check_key(Key::Real(1.0), "010100000000000000", 0xf2bf_539d_4056_574a);
    check_key(Key::Real(-0.0), "010000000000000000", 0x7d82_a2e5_8deb_c794);
    check_key(Key::Real(-9_223_372_036_854_775_808.0), "010000000000000080", 0xbe1c_8fd1_fccc_ba17);
    check_key(Key::Real(f64::NAN), "00", 0x400e_80ac_2f57_290f);
}

#[test]
fn text_and_blobs() {
    check_key(Key::Text(b""), "03", 0xcff4_85f1_401b_9d17);
    check_key(Key::Text(b"1"), "0331", 0x26b7_dff2_9792_ad55);
    check_key(Key::Text(b"vendor-1"), "0376656e646f722d31", 0x0c79_6aaf_a19e_3bec);
    check_key(Key::Text(b"vendor-0000000001"), "0376656e646f722d30303030303030303031", 0x0a4e_cd92_a648_c58f);
    check_key(Key::Text("Größe".as_bytes()), "034772c3b6c39f65", 0x5edf_4798_ad26_a483);
    check_key(Key::Text(b"\xff"), "03ff", 0x6836_9bd0_1f55_6d91);
    check_key(Key::Text(b"a\0b"), "03610062", 0x72f5_2e91_9c42_4f15);
    check_key(Key::Blob(b""), "04", 0x5516_71c6_fd3a_f159);
    check_key(Key::Blob(b"1"), "0431", 0xda0c_189b_79b5_9bdd);
    check_key(Key::Blob(b"\xde\xad\xbe\xef"), "04deadbeef", 0x937c_e957_de8e_496c);
}

/// The hash has other paths for longer inputs.
#[test]
fn long_text() {
    let hash = |length| key_hash(&Key::Text(&vec![b'x'; length]).canonical_bytes());
    assert_eq!(hash(200), 0x48ee_3e7f_90da_df01);
    assert_eq!(hash(300), 0x3a6c_4d45_2c93_a4a2);
    assert_eq!(hash(2_000), 0x0ef8_7039_6870_9a53);
}

fn ring(members: &[(u64, u32)], points: u32) -> Ring {
    let members: Vec<Member> = members.iter().map(|&(shard, weight)| Member { shard, weight }).collect();
    Ring::new(&members, points).expect("a valid ring")
}

fn check_owners(members: &[(u64, u32)], points: u32, owners: [u64; 17]) {
    let integers = [0, 1, 2, 3, -1, 42, i64::MAX].map(Key::Integer);
    let texts =
        [b"vendor-0", b"vendor-1", b"vendor-2", b"vendor-3", b"vendor-4", b"vendor-5"].map(|text| Key::Text(text));
    let mut keys = vec![Key::Null];
    keys.extend(integers);
    keys.extend([Key::Real(0.5), Key::Text(b"1"), Key::Blob(b"1")]);
    keys.extend(texts);
    let ring = ring(members, points);
    let found: Vec<u64> = keys.iter().map(|key| ring.owner(&key.canonical_bytes()).expect("an owner")).collect();
    assert_eq!(found, owners);
}

#[test]
fn owners_of_three_equal_shards() {
    check_owners(&[(1, 1), (2, 1), (3, 1)], 150, [2, 3, 2, 1, 1, 2, 3, 2, 3, 2, 3, 1, 1, 2, 1, 1, 2]);
}

#[test]
fn owners_of_three_weighted_shards() {
    const LAST: u64 = u64::MAX;
    let owners = [10, LAST, 10, 10, LAST, 10, 20, LAST, LAST, LAST, 10, 20, 20, LAST, 10, 20, 20];
    check_owners(&[(10, 1), (20, 2), (LAST, 3)], 150, owners);
}

#[test]
fn owners_of_two_shards_with_two_points_each() {
    check_owners(&[(1, 1), (2, 1)], 2, [1, 2, 1, 1, 2, 2, 2, 2, 2, 1, 2, 1, 1, 2, 1, 2, 2]);
}

/// Four points: shard 1 at 0x5455469e115 and 0xea6badd7c3c, shard 2 at 0x830c1789884 and 0xdcd7f6e826a.
#[test]
fn places_wrap_and_end_after_their_last_hash() {
    let ring = ring(&[(1, 1), (2, 1)], 2);
    let last_of_1 = 0xea6b_add7_c3cf_ffff;
    let owners = [0, 0x5455_469e_115f_ffff, 0x5455_469e_1160_0000, 0xdcd7_f6e8_26af_ffff, 0xdcd7_f6e8_26b0_0000]
        .map(|hash| ring.owner_at(hash));
    assert_eq!(owners, [Some(1), Some(1), Some(2), Some(2), Some(1)]);
    assert_eq!([last_of_1, last_of_1 + 1, u64::MAX].map(|hash| ring.owner_at(hash)), [Some(1); 3]);
}

/// Shard 3's points are at 0xb09019b1454 and 0xc07b7afa234, both on shard 2's arc that begins behind 0x830c1789884.
#[test]
fn a_third_shard_takes_two_arcs_which_are_one_range() {
    let placement = |members: &[(u64, u32)]| Placement { ring: ring(members, 2), ..Placement::default() };
    let plan = MovePlan::between(&placement(&[(1, 1), (2, 1)]), &placement(&[(1, 1), (2, 1), (3, 1)]));
    let range = RangeMove { start: 0x830c_1789_8850_0000, end: 0xc07b_7afa_234f_ffff, from: Some(2), to: Some(3) };
    assert_eq!(plan, MovePlan { ranges: vec![range], pins: vec![] });
}
