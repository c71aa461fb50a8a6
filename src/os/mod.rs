//! The operating system and the processor: the only place with a `cfg` on
//! either. Every function keeps errno, because CPython reads it after a free;
//! only `set_out_of_memory` is there to set it.

mod cache;
pub mod lock;
pub mod tls;
mod unix;

pub use cache::{CACHE_LINE, prefetch};
pub use unix::*;
