//! When it gets tight, the batch is shed first and payments last.

use fuseboard::LoadShedding;

fn main() -> Result<(), fuseboard::ConfigError> {
    let shedding = LoadShedding::fixed(10, 0.5)?;
    for (what, priority) in [("batch", 0), ("search", 128), ("payments", 255)] {
        let places: Vec<_> = (0..10)
            .flat_map(|_| shedding.try_acquire(priority))
            .collect();
        println!("{what}: {} of 10 places", places.len());
    }
    Ok(())
}
