//! The concurrency limit's model: two numbers.

/// The limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Concurrency {
    /// Places.
    pub limit: u32,
    /// Places taken.
    pub in_flight: u32,
}

impl Concurrency {
    /// Nothing in flight.
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            in_flight: 0,
        }
    }

    /// Takes a place, if one is free.
    pub fn acquire(&mut self) -> bool {
        let is_free = self.in_flight < self.limit;
        self.in_flight += u32::from(is_free);
        is_free
    }

    /// Gives a place back; `false`: none was taken.
    pub fn release(&mut self) -> bool {
        let was_taken = self.in_flight > 0;
        self.in_flight -= u32::from(was_taken);
        was_taken
    }
}
