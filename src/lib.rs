//! oxmalloc: CPython's memory domains on a heap of their own. (essay to follow)
#![allow(non_snake_case)]
// The model checker looks at pool/remote.rs alone (tests/loom.rs).
#![cfg(not(loom))]

pub mod abi;
mod arena;
mod domain;
mod fatal;
mod heap;
mod install;
pub mod interface;
mod large;
mod layout;
mod options;
mod os;
mod plain;
mod pool;
mod python;
mod region;
mod report;
mod size_class;
mod snapshot;
mod span;
mod stats;

/// What the tests in `tests/` need beside the C ABI; not part of the interface.
#[doc(hidden)]
pub mod testing {
    pub use crate::domain::{block_size_for, verify};
    pub use crate::options::{Kind, TABLE};
}
