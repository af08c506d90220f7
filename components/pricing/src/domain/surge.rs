//! Demand above supply.

/// How much demand multiplies the price, in thousandths, for rides waiting and walkers free around a pickup, this ride
/// included.
///
/// Up to two rides for three walkers nothing happens; from there the multiplier grows with the ratio, a quarter for each
/// further ride a walker, in steps of a twentieth so that a price does not flicker.
#[must_use]
pub fn surge_milli(open_rides: u32, free_walkers: u32, max_milli: u32) -> u32 {
    let rides = u64::from(open_rides) + 1;
    let walkers = u64::from(free_walkers).max(1);
    // Few walkers and a single ride is a quiet street, not a rush.
    if rides <= 2 {
        return 1_000;
    }
    let ratio_milli = rides * 1_000 / walkers;
    let above = ratio_milli.saturating_sub(667) / 4;
    let stepped = above / 50 * 50;
    u32::try_from(1_000 + stepped).unwrap_or(u32::MAX).min(max_milli.max(1_000))
}

#[cfg(test)]
mod tests {
    use super::surge_milli;
    use proptest::prelude::*;

    #[test]
    fn known_ratios() {
        for (rides, walkers, expected) in [
            (0, 0, 1_000),
            (1, 0, 1_000),
            (3, 100, 1_000),
            (9, 10, 1_050),
            (19, 10, 1_300),
            (99, 10, 2_000),
            (9, 1, 2_000),
        ] {
            assert_eq!(surge_milli(rides, walkers, 2_000), expected, "{rides} rides, {walkers} walkers");
        }
    }

    proptest! {
        #[test]
        fn more_demand_never_costs_less(rides in 0_u32..10_000, walkers in 0_u32..10_000) {
            let here = surge_milli(rides, walkers, 3_000);
            prop_assert!(surge_milli(rides + 1, walkers, 3_000) >= here);
            prop_assert!(surge_milli(rides, walkers + 1, 3_000) <= here);
            prop_assert!((1_000..=3_000).contains(&here));
        }
    }
}
