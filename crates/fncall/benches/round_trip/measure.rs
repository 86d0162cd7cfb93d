//! What `round_trip` and the program of the crate `trapframe` measure with.

use std::time::Instant;

/// Nanoseconds that one of `calls` calls takes.
///
/// Inlined with its body: as in a kernel, the loop that enters the program and the dispatch are one function. A
/// function that returns between two runs would be one `ret` too many for the predictor's return stack.
#[inline(always)]
pub fn ns_per_call(calls: u32, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// The one in the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
