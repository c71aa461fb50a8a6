//! The options: one table, from which parsing, help and documents come.

use crate::os;
use core::ffi::CStr;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// What values an option takes.
pub enum Kind {
    /// 0 or 1; also no/yes, off/on, false/true.
    Flag,
    /// A whole number of the option's unit.
    Number { least: usize, most: usize },
    /// One of these words, with commas between them; the value is its place.
    Word(&'static CStr),
}

/// The words of a list.
pub fn words(list: &'static CStr) -> impl Iterator<Item = &'static str> {
    list.to_str().unwrap_or("").split(',')
}

/// One row of the table.
pub struct Choice {
    /// With its prefix, as the environment has it.
    pub name: &'static CStr,
    pub kind: Kind,
    pub default: usize,
    pub unit: &'static CStr,
    pub help: &'static CStr,
}

/// An option, by its place in the table.
#[derive(Clone, Copy)]
pub enum Option_ {
    Stats,
    Verbose,
    Disable,
    Children,
    PurgeDelayMs,
    HugePages,
    HugePagesFromMib,
    LargeCacheMib,
}

/// The values of `HugePages`.
pub const HUGE_AUTO: usize = 0;
pub const HUGE_NEVER: usize = 1;

pub const TABLE: &[Choice] = &[
    Choice {
        name: c"OXMALLOC_STATS",
        kind: Kind::Flag,
        default: 0,
        unit: c"",
        help: c"print a summary to stderr when the interpreter's process exits",
    },
    Choice {
        name: c"OXMALLOC_VERBOSE",
        kind: Kind::Flag,
        default: 0,
        unit: c"",
        help: c"print a line to stderr when a Python starts to use it, or at the end why it did not",
    },
    Choice {
        name: c"OXMALLOC_DISABLE",
        kind: Kind::Flag,
        default: 0,
        unit: c"",
        help: c"stay inert: install nothing",
    },
    Choice {
        name: c"OXMALLOC_CHILDREN",
        kind: Kind::Flag,
        default: 1,
        unit: c"",
        help: c"let child processes inherit the preload and the options; 0: the first Python takes them out of its environment",
    },
    Choice {
        name: c"OXMALLOC_PURGE_DELAY_MS",
        kind: Kind::Number { least: 0, most: 3_600_000 },
        default: 500,
        unit: c"ms",
        help: c"how long freed memory is kept before it is given back to the system",
    },
    Choice {
        name: c"OXMALLOC_HUGE_PAGES",
        kind: Kind::Word(c"auto,never,always"),
        default: HUGE_AUTO,
        unit: c"",
        help: c"transparent huge pages: for large heaps, for none, for all",
    },
    Choice {
        name: c"OXMALLOC_HUGE_PAGES_FROM_MIB",
        kind: Kind::Number { least: 0, most: 1 << 20 },
        default: 24,
        unit: c"MiB",
        help: c"mapped memory from which OXMALLOC_HUGE_PAGES=auto asks for huge pages",
    },
    Choice {
        name: c"OXMALLOC_LARGE_CACHE_MIB",
        kind: Kind::Number { least: 0, most: 1 << 20 },
        default: 64,
        unit: c"MiB",
        help: c"freed memory of blocks above 1 MiB that is kept for reuse (or twice what is live, if more)",
    },
];

/// Names with our prefix that others read: the Python package.
const NOT_OURS: &[&CStr] = &[c"OXMALLOC_LIBRARY"];

/// One more than the value, so that 0 means "not read: the default".
static VALUES: [AtomicUsize; TABLE.len()] = [const { AtomicUsize::new(0) }; TABLE.len()];

/// The value of an option.
#[inline]
pub fn get(option: Option_) -> usize {
    value(option as usize)
}

/// The value that an option has or will have, whether the environment was read or
/// not: `read` is once, and may have to warn.
pub fn foreseen(option: Option_) -> usize {
    let choice = &TABLE[option as usize];
    match VALUES[option as usize].load(Relaxed) {
        0 => os::environment(choice.name)
            .and_then(|text| parse(&choice.kind, text))
            .unwrap_or(choice.default),
        value => value - 1,
    }
}

/// The value of every option, in the order of the table.
pub fn values() -> impl Iterator<Item = usize> {
    (0..TABLE.len()).map(value)
}

#[inline]
fn value(index: usize) -> usize {
    match VALUES[index].load(Relaxed) {
        0 => TABLE[index].default,
        value => value - 1,
    }
}

/// Reads the environment, once. What is wrong in it is said on stderr, when
/// `warn`, and changes nothing.
pub fn read(warn: bool) {
    static READ: AtomicBool = AtomicBool::new(false);
    if READ.swap(true, Relaxed) {
        return;
    }
    for (choice, slot) in TABLE.iter().zip(&VALUES) {
        let Some(text) = os::environment(choice.name) else {
            continue;
        };
        match parse(&choice.kind, text) {
            Some(value) => slot.store(value + 1, Relaxed),
            None if warn => say_bad_value(choice, text),
            None => {}
        }
    }
    if warn {
        os::each_environment_name(|name| {
            let mut known = TABLE.iter().map(|choice| choice.name).chain(NOT_OURS.iter().copied());
            if name.starts_with(b"OXMALLOC_") && !known.any(|known| known.to_bytes() == name) {
                say_unknown(name);
            }
        });
    }
}

fn parse(kind: &Kind, text: &[u8]) -> Option<usize> {
    let text = core::str::from_utf8(text).ok()?.trim();
    match kind {
        Kind::Flag => {
            let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
            match (is(&["", "0", "no", "off", "false"]), is(&["1", "yes", "on", "true"])) {
                (true, _) => Some(0),
                (_, true) => Some(1),
                _ => None,
            }
        }
        Kind::Number { least, most } => {
            text.parse().ok().filter(|value| (*least..=*most).contains(value))
        }
        Kind::Word(list) => words(list).position(|word| text.eq_ignore_ascii_case(word)),
    }
}

fn say_bad_value(choice: &Choice, text: &[u8]) {
    let mut line = os::Line::new();
    let name = choice.name.to_str().unwrap_or("");
    let shown = core::str::from_utf8(text).unwrap_or("?");
    let _ = write!(line, "oxmalloc: {name}={shown:.40} is not understood and was ignored: use ");
    let _ = match &choice.kind {
        Kind::Flag => write!(line, "0 or 1"),
        Kind::Number { least, most } => {
            // The nearest valid value, where the text is a number at all.
            match shown.trim().parse::<i128>() {
                Ok(n) if n < *least as i128 => write!(line, "{least} or more"),
                Ok(_) => write!(line, "{most} or less"),
                Err(_) => write!(line, "a whole number from {least} to {most}"),
            }
            .and_then(|()| write!(line, " ({})", choice.unit.to_str().unwrap_or("")))
        }
        Kind::Word(list) => {
            let near = nearest(text, words(list).map(str::as_bytes));
            write!(line, "{}", core::str::from_utf8(near).unwrap_or("")).and_then(|()| {
                write!(line, " (of ")?;
                for (i, word) in words(list).enumerate() {
                    write!(line, "{}{word}", if i > 0 { ", " } else { "" })?;
                }
                write!(line, ")")
            })
        }
    };
    line.print_to_stderr();
}

fn say_unknown(name: &[u8]) {
    let near = nearest(name, TABLE.iter().map(|choice| choice.name.to_bytes()));
    let mut line = os::Line::new();
    let shown = core::str::from_utf8(name).unwrap_or("OXMALLOC_?");
    let near = core::str::from_utf8(near).unwrap_or("");
    let _ = write!(line, "oxmalloc: unknown option {shown:.60} was ignored: did you mean {near}?");
    line.print_to_stderr();
}

/// The candidate with the fewest edits.
fn nearest<'a>(text: &[u8], candidates: impl Iterator<Item = &'a [u8]>) -> &'a [u8] {
    candidates.min_by_key(|candidate| edits(text, candidate)).unwrap_or(b"")
}

/// Levenshtein's distance, of the first 64 bytes.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let (a, b) = (&a[..a.len().min(64)], &b[..b.len().min(64)]);
    let mut row: [usize; 65] = core::array::from_fn(|i| i);
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_parse_or_are_refused() {
        assert_eq!(parse(&Kind::Flag, b"ON"), Some(1));
        assert_eq!(parse(&Kind::Flag, b"maybe"), None);
        assert_eq!(parse(&Kind::Flag, b"false-and-longer"), None);
        let number = Kind::Number { least: 1, most: 10 };
        assert_eq!(parse(&number, b" 10 "), Some(10));
        assert_eq!(parse(&number, b"11"), None);
        assert_eq!(parse(&number, b"-1"), None);
        assert_eq!(parse(&Kind::Word(c"auto,never"), b"Never"), Some(1));
    }

    #[test]
    fn the_nearest_name_is_found() {
        let names = || TABLE.iter().map(|c| c.name.to_bytes());
        assert_eq!(nearest(b"OXMALLOC_STAT", names()), b"OXMALLOC_STATS");
        assert_eq!(nearest(b"OXMALLOC_PURGE_DELAY", names()), b"OXMALLOC_PURGE_DELAY_MS");
    }

    #[test]
    fn the_table_is_in_the_order_of_the_names() {
        assert_eq!(TABLE[Option_::Stats as usize].name, c"OXMALLOC_STATS");
        assert_eq!(TABLE[Option_::LargeCacheMib as usize].name, c"OXMALLOC_LARGE_CACHE_MIB");
        assert_eq!(TABLE.len(), Option_::LargeCacheMib as usize + 1);
    }
}
