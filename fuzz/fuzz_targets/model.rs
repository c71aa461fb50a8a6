//! Programs by coverage against the shadow model (tests/shadow). The heap lives
//! on from program to program: each ends with nothing left in it.

#![no_main]

#[path = "../../tests/shadow/mod.rs"]
mod shadow;

use libfuzzer_sys::fuzz_target;
use shadow::Op;

fuzz_target!(|ops: Vec<Op>| shadow::run(&ops));
