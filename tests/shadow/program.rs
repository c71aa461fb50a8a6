//! Programs by proptest, each in a process of its own.

use super::{Caller, Count, Domain, NewSize, Op, Route, Size, Who, run};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::io::{Write, stderr};
use std::panic;

/// Runs random programs, 48 or as many as PROPTEST_CASES says, in processes
/// that first call `prepare`; fails with the shortest that it finds to fail.
pub fn run_many(prepare: impl Fn() + panic::RefUnwindSafe) {
    let cases = std::env::var("PROPTEST_CASES").map_or(48, |n| n.parse().expect("PROPTEST_CASES"));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let delay = prop_oneof![Just("0"), Just("1"), Just("500")];
    let programs = (delay, prop::collection::vec(op(), 1..200));
    let outcome = TestRunner::new(config).run(&programs, |(delay, ops)| {
        in_a_child(|| {
            // SAFETY: the child of a fork has one thread.
            unsafe { std::env::set_var("OXMALLOC_PURGE_DELAY_MS", delay) };
            prepare();
            run(&ops);
        })
    });
    if let Err(TestError::Fail(why, (delay, ops))) = outcome {
        panic!("{why}, as it runs with OXMALLOC_PURGE_DELAY_MS={delay}: {ops:#?}");
    }
    outcome.unwrap();
}

/// A child finds an untouched heap, however the one before ended, and an abort
/// or a hang of it is a result as any other.
fn in_a_child(work: impl FnOnce() + panic::UnwindSafe) -> Result<(), TestCaseError> {
    // SAFETY: the child uses nothing that another thread of this process owns.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends this process should it hang.
        unsafe { libc::alarm(300) };
        // Past the capture of the test harness, which ends with this process.
        panic::set_hook(Box::new(|panic| drop(writeln!(stderr(), "{panic}"))));
        let failed = panic::catch_unwind(work).is_err();
        // SAFETY: ends this process.
        unsafe { libc::_exit(i32::from(failed)) }
    }
    let mut status = -1;
    // SAFETY: `status` is ours.
    let ended = unsafe { libc::waitpid(child, &mut status, 0) };
    prop_assert!(ended == child && status == 0, "a process ended with status {status:#x}");
    Ok(())
}

/// A random program, the same for the same number.
pub fn random(number: u64, length: usize) -> Vec<Op> {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    prop::collection::vec(op(), length).new_tree(&mut runner).unwrap().current()
}

fn op() -> impl Strategy<Value = Op> {
    let allocate = (caller(), domain(), any::<bool>(), size(), any::<u8>().prop_map(Count));
    prop_oneof![
        8 => allocate.prop_map(|(caller, domain, zeroed, size, count)| {
            Op::Allocate { caller, domain, zeroed, size, count }
        }),
        6 => (caller(), any::<u16>(), new_size())
            .prop_map(|(caller, which, to)| Op::Resize { caller, which, to }),
        6 => (caller(), any::<u16>(), any::<u8>().prop_map(Count), 0..20u8)
            .prop_map(|(caller, which, count, keep)| Op::Free { caller, which, count, keep }),
        1 => who().prop_map(|who| Op::Trim { who }),
    ]
}

fn caller() -> impl Strategy<Value = Caller> {
    let route = prop_oneof![Just(Route::Hooked), Just(Route::Direct)];
    (who(), route).prop_map(|(who, route)| Caller { who, route })
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![8 => Just(Who::Main), 4 => Just(Who::Helper), 1 => Just(Who::Passing), 1 => Just(Who::Exiting)]
}

fn domain() -> impl Strategy<Value = Domain> {
    prop_oneof![Just(Domain::Mem), Just(Domain::Obj)]
}

fn size() -> impl Strategy<Value = Size> {
    any::<(u8, u16)>().prop_map(|(kind, fine)| Size { kind, fine })
}

fn new_size() -> impl Strategy<Value = NewSize> {
    prop_oneof![size().prop_map(NewSize::Any), any::<u8>().prop_map(NewSize::Eighths)]
}
