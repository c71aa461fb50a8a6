//! The table of options as the C interface shows it.

use crate::interface::{OX_OPTION_FLAG, OX_OPTION_NUMBER, OX_OPTION_WORD, OxOptionInfo};
use crate::options::{self, Kind};
use crate::os::Line;
use core::fmt::{Display, Write};

/// Calls `visit` for every option until it returns something else than 0.
pub fn visit_options(mut visit: impl FnMut(&OxOptionInfo) -> i32) -> i32 {
    for (choice, value) in options::TABLE.iter().zip(options::values()) {
        let (kind, least, most, words): (_, _, _, &[&str]) = match choice.kind {
            Kind::Flag => (OX_OPTION_FLAG, 0, 1, &[]),
            Kind::Number { least, most } => (OX_OPTION_NUMBER, least, most, &[]),
            Kind::Word(words) => (OX_OPTION_WORD, 0, words.len() - 1, words),
        };
        let mut list = Line::new();
        for (index, word) in words.iter().enumerate() {
            let _ = write!(list, "{}{word}", if index > 0 { "," } else { "" });
        }
        let _ = list.write_char('\0');
        let (unit, help) = (terminated(choice.unit), terminated(choice.help));
        let answer = visit(&OxOptionInfo {
            size: size_of::<OxOptionInfo>(),
            name: choice.name.as_ptr(),
            unit: unit.as_bytes().as_ptr().cast(),
            help: help.as_bytes().as_ptr().cast(),
            words: list.as_bytes().as_ptr().cast(),
            kind,
            default_value: choice.default,
            least,
            most,
            value,
        });
        if answer != 0 {
            return answer;
        }
    }
    0
}

/// As a C string.
fn terminated(text: impl Display) -> Line {
    let mut line = Line::new();
    let _ = write!(line, "{text}\0");
    line
}
