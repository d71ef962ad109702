//! How many products each vendor has: few have many, many have few.

use super::random::Random;

/// Products a vendor, on average.
const PRODUCTS_MEAN: u64 = 200;
/// Rows a vendor of all tables, on average and about: orders and reviews are half as many as products, and an order has one and a half items.
pub(super) const ROWS_MEAN: u64 = 1 + PRODUCTS_MEAN * 11 / 4;
/// The larger, the flatter: the largest vendor has about a fiftieth of all products when there are 1,000.
const FLATNESS: u64 = 10;

/// Products of each vendor, in an order of chance: together exactly 200 a vendor, and their sizes follow Zipf's law.
///
/// Whole numbers only, so that every machine gives the same.
pub(super) fn sizes(vendors: u64, seed: u64) -> Vec<u64> {
    let weight = |rank: u64| (1 << 32) / (rank + FLATNESS);
    let total: u128 = (1..=vendors).map(|rank| u128::from(weight(rank))).sum();
    let products = u128::from(vendors * PRODUCTS_MEAN);
    let mut before: u128 = 0;
    let mut sizes: Vec<u64> = (1..=vendors)
        .map(|rank| {
            // The share of all up to here, less the share of all before: rounding never adds up.
            let start = before * products / total;
            before += u128::from(weight(rank));
            (before * products / total - start) as u64
        })
        .collect();
    Random::new(seed, u64::MAX).shuffle(&mut sizes);
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_add_up_and_are_skewed() {
        let mut sizes = sizes(1_000, 1);
        assert_eq!(sizes.iter().sum::<u64>(), 200_000);
        sizes.sort_unstable();
        assert!(sizes[0] >= 30, "the smallest has {}", sizes[0]);
        assert!(sizes[999] >= 3_000, "the largest has {}", sizes[999]);
        assert!(sizes[500] < 120, "the median is {}", sizes[500]);
    }

    #[test]
    fn a_single_vendor_has_them_all() {
        assert_eq!(sizes(1, 7), [200]);
    }
}
