//! Working time: what the age of freed memory is counted in.
//!
//! It goes on while the allocator is called, and stands still while the program
//! sleeps: who frees much, waits, and takes it again finds it where it was.

use crate::os;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The longest gap between two calls that counts as work (ms).
const GAP: u64 = 250;

/// Starts later than any delay is long: the start is never long ago.
static WORKED: AtomicU64 = AtomicU64::new(1 << 39);
static LAST: AtomicU64 = AtomicU64::new(0);

/// Milliseconds, as of the last `advance`.
pub fn now() -> u64 {
    WORKED.load(Relaxed)
}

/// Moves on to the present.
pub fn advance() -> u64 {
    let now = os::now_ms();
    let gap = now.saturating_sub(LAST.swap(now, Relaxed)).min(GAP);
    WORKED.fetch_add(gap, Relaxed) + gap
}
