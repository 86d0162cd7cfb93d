//! Waiting and waking. Mutexes come from `host::mutex`; the order of locks stands in [`order`].

pub mod order;
mod wait;

pub use wait::{Deadline, WaitQueue, Waiter, Wake, interrupted, sleep_on, wait_until};
