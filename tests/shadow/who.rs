//! The threads that make the calls. One at a time: whoever asks waits.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Who {
    /// The thread that runs the model.
    Main,
    /// One that lives as long as the process.
    Helper,
    /// One that ends at once, and leaves its heap to the next.
    Passing,
    /// One past its exit handlers, which gets no heap any more.
    Exiting,
}

type Job = Box<dyn FnOnce() + Send>;

impl Who {
    /// Has that thread do `work`; panics where it does.
    pub fn run<R: Send + 'static>(self, work: impl FnOnce() -> R + Send + 'static) -> R {
        if self == Who::Main {
            return work();
        }
        let answer = Arc::new(Mutex::new(None));
        let (sender, receiver) = channel::<()>();
        let job: Job = Box::new({
            let answer = answer.clone();
            move || {
                *answer.lock().unwrap() = Some(catch_unwind(AssertUnwindSafe(work)));
                drop(sender);
            }
        });
        match self {
            Who::Main => unreachable!(),
            Who::Helper => helper().send(job).unwrap(),
            Who::Passing => thread::spawn(job).join().unwrap(),
            Who::Exiting => thread::spawn(move || at_the_very_end(job)).join().unwrap(),
        }
        receiver.recv().expect_err("the job is over when its sender is dropped");
        let answer: Result<R, Box<dyn Any + Send>> = answer.lock().unwrap().take().unwrap();
        answer.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

fn helper() -> Sender<Job> {
    static HELPER: OnceLock<Sender<Job>> = OnceLock::new();
    let start = || {
        let (sender, receiver) = channel::<Job>();
        thread::spawn(move || receiver.into_iter().for_each(|job| job()));
        sender
    };
    HELPER.get_or_init(start).clone()
}

/// Does `job` when the exit handler of the library has run on this thread:
/// handlers run in the order of their keys, and ours is the later one.
fn at_the_very_end(job: Job) {
    unsafe extern "C" fn run(job: *mut c_void) {
        // SAFETY: what was stored below.
        unsafe { Box::from_raw(job.cast::<Job>())() }
    }
    static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
    // The library makes its key with the first block it gives, and hears of
    // the end of each thread that took one.
    // SAFETY: frees what it took.
    unsafe {
        let null = std::ptr::null_mut();
        oxmalloc::abi::OxMem_Free(null, oxmalloc::abi::OxMem_Malloc(null, 1));
    }
    let key = KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `run` lives as long as the process.
        assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(run)) }, 0);
        key
    });
    // SAFETY: the key was made above.
    assert_eq!(unsafe { libc::pthread_setspecific(*key, Box::into_raw(Box::new(job)).cast()) }, 0);
}
