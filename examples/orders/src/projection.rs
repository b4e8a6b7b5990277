//! The read side's tables, made from the events.
