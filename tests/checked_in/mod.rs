//! Files that are generated and checked in: compared, or written again when
//! OXMALLOC_UPDATE=1 is set.

use std::path::PathBuf;
use std::{env, fs};

pub fn read(path: &str) -> String {
    fs::read_to_string(absolute(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails when the file is not `wanted`.
pub fn compare(path: &str, wanted: &str) {
    if env::var_os("OXMALLOC_UPDATE").is_some_and(|value| value == "1") {
        fs::write(absolute(path), wanted).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let found = read(path);
    let lines = found.lines().zip(wanted.lines()).enumerate();
    let first = lines.filter(|(_, (found, wanted))| found != wanted).map(|(n, _)| n + 1).next();
    let line = first.unwrap_or(found.lines().count().min(wanted.lines().count()) + 1);
    assert!(
        found == wanted,
        "{path} is out of date from line {line} on. Write it again with\n    \
         OXMALLOC_UPDATE=1 cargo test --test header --test options\nand look at the difference."
    );
}

fn absolute(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), path].iter().collect()
}
