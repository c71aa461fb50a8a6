//! oxmalloc: CPython's memory domains on a heap of their own. (essay to follow)
#![allow(non_snake_case)]

pub mod abi;
mod arena;
mod domain;
mod fatal;
mod heap;
mod install;
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
