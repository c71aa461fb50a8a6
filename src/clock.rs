//! Working time: what the age of freed memory is counted in.
//!
//! It goes on while the allocator is called, and stands still while the program
//! sleeps: who frees much, waits, and takes it again finds it where it was.

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

/// Moves on to the present, `now` (ms); how long ago the last time was.
pub fn advance(now: u64) -> u64 {
    let since = now.saturating_sub(LAST.fetch_max(now, Relaxed));
    WORKED.fetch_add(since.min(GAP), Relaxed);
    since
}
