//! Has a quiet program come by while memory waits to be given back.
//!
//! What was dropped goes back when the program passes a slow path later on. One
//! that serves small requests then may stay on the hot path for hours: the pools
//! it needs have blocks enough. So, while much waits, the hot path finds no pool
//! and malloc comes by: in each class a few times only, and again after a
//! moment. A class that is asked for often has its pool back at once; one that is
//! asked for now and then goes on telling that time passes. (Who asks for every
//! class that often, in each moment, and passes no slow path otherwise is not seen.)

use super::{EXHAUSTED, Heap};
use crate::layout::DOMAINS;
use crate::size_class::{self, SizeClass};
use core::cell::Cell;
use core::ptr;

/// So often malloc comes by in a class before it has its pool back, and so much
/// later (ms) it begins anew: 0.2 % of the time of a program in which twenty
/// classes are asked for all the time.
const OFTEN: u8 = 64;
const MOMENT: u64 = 16;

/// With less to give back it is not worth it (bytes).
const WORTH_IT: usize = 1 << 20;

/// A heap's own, as all of it.
pub(super) struct Watch {
    /// How often malloc came by, in each class.
    seen: [[Cell<u8>; size_class::COUNT]; DOMAINS],
    /// When it began last (ms).
    since: Cell<u64>,
    /// What waited at the last look (bytes).
    waiting: Cell<usize>,
}

impl Watch {
    pub(super) const fn new() -> Watch {
        Watch {
            seen: [const { [const { Cell::new(0) }; size_class::COUNT] }; DOMAINS],
            since: Cell::new(0),
            waiting: Cell::new(0),
        }
    }

    /// malloc has still to come by in a class.
    pub(super) fn has_to_see(&self, domain: usize, class: SizeClass) -> bool {
        self.waiting.get() >= WORTH_IT && self.seen[domain][class.index()].get() < OFTEN
    }
}

impl Heap {
    /// Somebody looked: `bytes` wait to be given back.
    pub(super) fn watch(&self, bytes: usize) {
        self.watch.waiting.set(bytes);
        if bytes < WORTH_IT {
            self.watch.since.set(0); // The next time it begins at once.
            self.bins
                .iter()
                .flatten()
                .zip(self.heads.iter().flatten())
                .for_each(|(bin, head)| bin.set(head.get()));
        }
    }

    /// The same between two looks, when it has become much more.
    pub(super) fn watch_growing(&self, bytes: usize, now: impl Fn() -> u64) {
        if bytes >= 2 * self.watch.waiting.get().max(WORTH_IT / 2) {
            self.watch(bytes);
            self.watch.since.set(0);
            self.keep_watch(now());
        }
    }

    /// Has malloc come by from now on, if that is worth it and not lately begun.
    pub(super) fn keep_watch(&self, now: u64) {
        let Watch { seen, since, waiting } = &self.watch;
        if waiting.get() >= WORTH_IT && now >= since.get() + MOMENT {
            since.set(now);
            self.bins.iter().flatten().for_each(|bin| bin.set(&EXHAUSTED));
            seen.iter().flatten().for_each(|seen| seen.set(0));
        }
    }

    /// malloc came by in a class; true when that is because of the watch.
    pub(super) fn is_watched(&self, domain: usize, class: SizeClass) -> bool {
        let (bin, head) = (self.bin(domain, class), self.heads[domain][class.index()].get());
        if ptr::eq(bin.get(), head) {
            return false;
        }
        let seen = &self.watch.seen[domain][class.index()];
        seen.set(seen.get() + 1);
        if seen.get() >= OFTEN {
            bin.set(head);
        }
        true
    }

    /// The hot path finds the head of a bin, or nothing; for `verify`.
    pub(super) fn verify_watch(&self) {
        for (bin, head) in self.bins.iter().flatten().zip(self.heads.iter().flatten()) {
            assert!(ptr::eq(bin.get(), head.get()) || ptr::eq(bin.get(), &EXHAUSTED));
        }
    }
}
