//! Orders by chance: calm and rough weather in turn.

use fastrand::Rng;

pub struct Storm {
    chance: Rng,
    rough: bool,
}

impl Storm {
    /// The same orders for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { chance: Rng::with_seed(seed), rough: true }
    }

    pub fn order(&mut self) -> String {
        self.rough = !self.rough;
        if !self.rough {
            return "calm".to_owned();
        }
        let chance = &mut self.chance;
        match chance.u8(..10) {
            0 => format!("both latency={} jitter={}", chance.u32(1..60), chance.u32(..100)),
            1 => format!("down slices={}/{}", chance.u32(50..1500), chance.u32(..3)),
            2 => format!("up slices={}/{}", chance.u32(20..500), chance.u32(..3)),
            3 => format!("down bandwidth={}", chance.u32(20_000..500_000)),
            4 => format!("down reset-at={}", chance.u32(100..100_000)),
            5 => format!("up reset-at={}", chance.u32(100..30_000)),
            6 => format!("down limit={}", chance.u32(100..100_000)),
            7 => "stall".to_owned(),
            8 => "cut".to_owned(),
            _ => "swallow".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Order;

    #[test]
    fn a_seed_brings_the_same_orders_and_all_of_them_are_known() {
        let (mut storm, mut again) = (Storm::new(7), Storm::new(7));
        for _ in 0..1000 {
            let order = storm.order();
            assert_eq!(order, again.order());
            Order::parse(&order).unwrap();
        }
    }
}
