//! Random programs against the shadow model, in a process with what the
//! library takes for a CPython of one GIL: the threads of a program take turns,
//! and the heap of the hooked calls is handed over with each turn.

mod shadow;

use shadow::{Caller, Count, Domain, Op, Route, Size, Who};
use std::ffi::CString;
use std::path::Path;
use std::process::Command;

#[test]
fn random_programs_with_a_gil() {
    let built = compile();
    shadow::program::run_many(move || load(&built));
}

/// Compiles the stand-in for CPython; the path of the library.
fn compile() -> String {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libcpython_stand_in.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shadow/cpython.c");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    let done = cc.status().expect("a C compiler, cc, is needed");
    assert!(done.success(), "{cc:?} failed");
    library.into_os_string().into_string().unwrap()
}

/// Loads it, where dlsym finds its functions, and proves that hooks now share
/// one heap.
fn load(library: &str) {
    let path = CString::new(library).unwrap();
    // SAFETY: its constructors do nothing.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    assert!(!handle.is_null(), "{library} cannot be loaded");
    let caller = |who| Caller { who, route: Route::Hooked };
    let size = Size { kind: 0, fine: 100 };
    let take = |who| Op::Allocate {
        caller: caller(who),
        domain: Domain::Obj,
        zeroed: false,
        size,
        count: Count(0),
    };
    shadow::run(&[take(Who::Main), take(Who::Helper), take(Who::Main)]);
    let stats = shadow::stats();
    assert!(stats.handovers >= 2 && stats.heaps == 1, "the heap was not handed over");
}
