//! The table of options as the C interface shows it.

use crate::interface::{OX_OPTION_FLAG, OX_OPTION_NUMBER, OX_OPTION_WORD, OxOptionInfo};
use crate::options::{self, Kind};

/// Every option, in the order of the table.
pub fn options() -> impl Iterator<Item = OxOptionInfo> {
    options::TABLE.iter().zip(options::values()).map(|(choice, value)| {
        let (kind, least, most, words) = match choice.kind {
            Kind::Flag => (OX_OPTION_FLAG, 0, 1, c""),
            Kind::Number { least, most } => (OX_OPTION_NUMBER, least, most, c""),
            Kind::Word(list) => (OX_OPTION_WORD, 0, options::words(list).count() - 1, list),
        };
        OxOptionInfo {
            size: size_of::<OxOptionInfo>(),
            name: choice.name.as_ptr(),
            unit: choice.unit.as_ptr(),
            help: choice.help.as_ptr(),
            words: words.as_ptr(),
            kind,
            default_value: choice.default,
            least,
            most,
            value,
        }
    })
}
