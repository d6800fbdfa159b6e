//! The ladder that all machines stand on: vCPU by rung, cost in proportion.

/// vCPU of each rung, ascending.
pub const VCPUS: [f64; 4] = [1.0, 2.0, 4.0, 8.0];
/// The largest rung, on which every machine begins.
pub const LARGEST: usize = VCPUS.len() - 1;
/// Demand above this share of its capacity saturates a machine.
pub const SATURATED_SHARE: f64 = 0.9;

/// vCPU of a rung.
pub fn capacity(rung: usize) -> f64 {
    VCPUS[rung.min(LARGEST)]
}

/// Cost of a rung, the largest being 1.
pub fn cost(rung: usize) -> f64 {
    capacity(rung) / VCPUS[LARGEST]
}

/// Whether `demand` saturates a machine on `rung`.
pub fn saturates(demand: f64, rung: usize) -> bool {
    demand > SATURATED_SHARE * capacity(rung)
}

/// The smallest rung that holds `need` with no more than `share` of its capacity; the largest when none does.
pub fn fitting(need: f64, share: f64) -> usize {
    let holds = |vcpus: &f64| need <= share * vcpus;
    VCPUS.iter().position(holds).unwrap_or(LARGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_that_holds_a_need_is_found_and_none_is_larger_than_the_largest() {
        for (need, share, rung) in [
            (0.0, 0.8, 0),
            (0.8, 0.8, 0),
            (0.81, 0.8, 1),
            (3.3, 0.8, 3),
            (99.0, 0.8, 3),
            (1.1, 1.15, 0),
        ] {
            assert_eq!(fitting(need, share), rung, "{need} at {share}");
        }
        assert_eq!(VCPUS.map(|_| ()).len(), LARGEST + 1);
        assert!(saturates(0.91, 0) && !saturates(0.9, 0));
        assert_eq!((cost(0), cost(LARGEST)), (0.125, 1.0));
    }
}
