//! Threads that run random programs at the same time and hand their blocks to
//! each other, which free, resize and check them; then they end, and the next
//! threads take their heaps over. In between, when all is quiet, the whole heap
//! is checked against what they all hold.
//!
//! OXTEST_ROUNDS raises how often.

mod shadow;

use shadow::{Block, Caller, Route, Shadow, Who, program};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

const THREADS: usize = 4;
const STEPS: usize = 60;
const HERE: Caller = Caller { who: Who::Main, route: Route::Direct };

#[test]
fn threads_hand_blocks_to_each_other() {
    let rounds = std::env::var("OXTEST_ROUNDS").map_or(6, |n| n.parse().expect("OXTEST_ROUNDS"));
    // What a round leaves is freed and resized by the threads of the next.
    let mut left: Vec<Block> = Vec::new();
    for round in 0..rounds {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel()).unzip();
        while let Some(block) = left.pop() {
            match left.len() % (2 * THREADS) {
                index if index < THREADS => senders[index].send(block).unwrap(),
                _ => block.free(HERE), // Or it would grow from round to round.
            }
        }
        let threads = receivers.into_iter().enumerate().map(|(index, inbox)| {
            let next = senders[(index + 1) % THREADS].clone();
            let number = (round * THREADS + index) as u64;
            thread::spawn(move || work(number, inbox, next))
        });
        let threads: Vec<_> = threads.collect();
        drop(senders);

        let mut all = Shadow::default();
        for thread in threads {
            thread.join().unwrap().into_iter().for_each(|block| all.insert(block));
        }
        all.settle();
        if round + 1 < rounds {
            left = all.into_blocks();
        } else {
            all.end();
        }
    }
}

/// Runs a program on the blocks that come in; returns what is left.
fn work(number: u64, inbox: Receiver<Block>, next: Sender<Block>) -> Vec<Block> {
    let mut mine = Shadow::default();
    for (step, op) in program::random(number, STEPS).into_iter().enumerate() {
        inbox.try_iter().for_each(|block| mine.insert(block));
        mine.step(op);
        for which in (0..mine.len()).rev().filter(|which| (which + step) % 5 == 0) {
            // Its thread may have ended.
            if let Err(returned) = next.send(mine.remove(which)) {
                mine.insert(returned.0);
            }
        }
    }
    drop(next);
    inbox.iter().for_each(|block| mine.insert(block));
    mine.into_blocks()
}
