//! The end of a process whose heap was corrupted: one fixed line, then abort.
//!
//! Nothing is allocated or formatted: the heap can no longer be trusted.

use crate::os;

/// What was found. The texts are part of the interface (docs/design.md,
/// c_tests/misuse).
#[derive(Clone, Copy)]
pub enum Corruption {
    DoubleFree,
    NotABlock,
    VacantPool,
    TooManyFrees,
    FreeList,
    RemoteList,
}

impl Corruption {
    fn line(self) -> &'static str {
        match self {
            Self::DoubleFree => {
                "oxmalloc: fatal: double free (the block is already the last one freed in its pool)\n"
            }
            Self::NotABlock => {
                "oxmalloc: fatal: free of an address that is not the start of a block\n"
            }
            Self::VacantPool => "oxmalloc: fatal: free of a block in a pool that is not in use\n",
            Self::TooManyFrees => {
                "oxmalloc: fatal: more blocks freed than were allocated in a pool\n"
            }
            Self::FreeList => {
                "oxmalloc: fatal: free list corrupted (a freed block was written to)\n"
            }
            Self::RemoteList => {
                "oxmalloc: fatal: remote free list corrupted (a block freed twice by another thread)\n"
            }
        }
    }
}

/// Says what was found and ends the process.
#[cold]
#[inline(never)]
pub fn corrupted(what: Corruption) -> ! {
    let _ = os::write_all(2, what.line().as_bytes());
    os::abort()
}
