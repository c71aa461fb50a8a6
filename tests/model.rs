//! Random programs against the shadow model: thread-owned heaps, as in a
//! process without CPython.

mod shadow;

#[test]
fn random_programs() {
    shadow::program::run_many(|| {});
}

/// The programs come by this too seldom: a large block asked to become what no
/// shift of a size may overflow on.
#[test]
fn a_large_block_and_impossible_sizes() {
    use oxmalloc::abi::{OxMem_Free, OxMem_Malloc, OxMem_Realloc};
    use std::ptr::null_mut;
    // SAFETY: CPython's calls, with a live block.
    unsafe {
        let block = OxMem_Malloc(null_mut(), 4 << 20);
        for shift in 46..64 {
            assert!(OxMem_Realloc(null_mut(), block, 1 << shift).is_null(), "2^{shift} bytes");
        }
        OxMem_Free(null_mut(), block);
    }
}
