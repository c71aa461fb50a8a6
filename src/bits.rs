//! Sets of small numbers, a bit each: the pools of an arena, the pages of a pool.

/// `length` numbers from `first` on; 1 to 32.
pub fn run(first: usize, length: usize) -> u32 {
    (u32::MAX >> (u32::BITS as usize - length)) << first
}

/// Numbers side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    pub first: usize,
    pub length: usize,
}

impl Run {
    pub fn end(self) -> usize {
        self.first + self.length
    }

    pub fn bits(self) -> u32 {
        run(self.first, self.length)
    }
}

/// The runs of a set that nothing could be added to, the lowest first.
pub fn runs(mut set: u32) -> impl Iterator<Item = Run> {
    core::iter::from_fn(move || {
        if set == 0 {
            return None;
        }
        let first = set.trailing_zeros() as usize;
        let length = (set >> first).trailing_ones() as usize;
        let run = Run { first, length };
        set &= !run.bits();
        Some(run)
    })
}

/// Every number where a run of `n` starts.
pub fn starts(mut set: u32, n: usize) -> u32 {
    // Each step and-s the set with itself shifted, doubling the run it proves.
    let mut have = 1;
    while have < n {
        let step = have.min(n - have);
        set &= set >> step;
        have += step;
    }
    set
}

/// The length of the longest run.
pub fn longest_run(set: u32) -> usize {
    // Where runs of 1, 2, 4, 8, 16, 32 start; the length is found bit by bit.
    let mut runs = [set; 6];
    for i in 1..6 {
        runs[i] = runs[i - 1] & (runs[i - 1] >> (1 << (i - 1)));
    }
    let (mut starts, mut length) = (u32::MAX, 0);
    for i in (0..6).rev() {
        let longer = starts & (runs[i] as u64 >> length) as u32;
        if longer != 0 {
            (starts, length) = (longer, length + (1 << i));
        }
    }
    length as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found() {
        assert_eq!(longest_run(0), 0);
        assert_eq!(longest_run(u32::MAX), 32);
        assert_eq!(longest_run(0b1101110), 3);
        for n in 1..31 {
            let low = run(0, n);
            assert_eq!(longest_run(low << (32 - n) | 1), n);
            assert_eq!(longest_run(low), n);
        }
        assert_eq!(starts(0b1101110, 3), 0b10);
        assert_eq!(starts(0b1101110, 2), 0b100110);
        assert_eq!(starts(u32::MAX, 32), 1);
        assert_eq!(starts(u32::MAX >> 1, 32), 0);
    }

    #[test]
    fn runs_make_up_the_set() {
        for set in [0, 1, u32::MAX, 1 << 31, 0b1101110, 0xF00F_F00F, 0x5555_5555] {
            assert_eq!(runs(set).map(Run::bits).sum::<u32>(), set);
            assert!(runs(set).zip(runs(set).skip(1)).all(|(a, b)| a.end() < b.first));
        }
        let two = [Run { first: 1, length: 3 }, Run { first: 5, length: 2 }];
        assert_eq!(runs(0b1101110).collect::<Vec<_>>(), two);
    }
}
