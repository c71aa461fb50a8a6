//! Random programs against the shadow model: thread-owned heaps, as in a
//! process without CPython.

mod shadow;

#[test]
fn random_programs() {
    shadow::program::run_many(|| {});
}
