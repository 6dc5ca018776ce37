//! Runs a scenario in many orders.

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// Scenarios in `MODEL_RUNS` orders: half of them at random, half with few but unlikely changes from one thread to another.
/// The seed is `MODEL_SEED`: the same in each run, unless it is set.
pub fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().expect(name));
    let (runs, seed) = (number("MODEL_RUNS", 10_000), number("MODEL_SEED", 20_240_607));
    let half = usize::try_from(runs / 2).expect("MODEL_RUNS");
    let scenario = std::sync::Arc::new(scenario);
    println!("{runs} orders, seed {seed}");
    let mut config = Config::new();
    config.silence_warnings = true;
    config.stack_size = 0x1_0000;
    for depth in [None, Some(2), Some(4)] {
        let scenario = scenario.clone();
        match depth {
            None => Runner::new(RandomScheduler::new_from_seed(seed, half), config.clone()).run(move || scenario()),
            Some(depth) => {
                Runner::new(PctScheduler::new_from_seed(seed, depth, half / 2), config.clone()).run(move || scenario())
            }
        };
    }
}
