//! The README's table of options is made from the one that the library reads.

mod checked_in;

use oxmalloc::testing::{Choice, Kind, TABLE, words};
use std::fmt::Write;

const BEGIN: &str = "<!-- options -->\n";
const END: &str = "<!-- /options -->\n";

#[test]
fn the_table_of_the_readme_is_the_generated_one() {
    let readme = checked_in::read("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("README.md has no <!-- options -->");
    let (_, after) = rest.split_once(END).expect("README.md has no <!-- /options -->");
    checked_in::compare("README.md", &format!("{before}{BEGIN}{}{END}{after}", table()));
}

fn table() -> String {
    let mut table =
        String::from("| option | values | default | what it does |\n|---|---|---|---|\n");
    for Choice { name, kind, default, unit, help } in TABLE {
        let (unit, help) = (unit.to_str().unwrap(), help.to_str().unwrap());
        let (values, default) = match kind {
            Kind::Flag => ("`0`, `1`".to_string(), default.to_string()),
            Kind::Number { least, most } => {
                (format!("`{least}` to `{most}` {unit}"), default.to_string())
            }
            Kind::Word(list) => {
                let quoted: Vec<_> = words(list).map(|word| format!("`{word}`")).collect();
                (quoted.join(", "), words(list).nth(*default).unwrap().to_string())
            }
        };
        let name = name.to_str().unwrap();
        writeln!(table, "| `{name}` | {values} | `{default}` | {help} |").unwrap();
    }
    table
}
