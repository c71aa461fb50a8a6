//! What is said on stderr when somebody asks: the line of OXMALLOC_VERBOSE=1,
//! the summary of OXMALLOC_STATS=1 when the process exits.

use crate::interface::{OX_DOMAIN_MEM, OX_DOMAIN_OBJ, OX_DOMAIN_RAW, OxStatus};
use crate::os::{self, Line};
use crate::stats;
use core::ffi::CStr;
use core::fmt::{Arguments, Write};

/// Prints the line that says whether it is active.
pub fn print_line(status: &OxStatus) {
    let [_, major, minor, micro] = status.python_version.to_be_bytes();
    let python = format_args!("pid {}, CPython {major}.{minor}.{micro}", os::process_id());
    if status.active_domains == 0 {
        return row("process", format_args!("{python}, {} (code {})", text(status), status.code));
    }
    let domains = domains(status);
    row("process", format_args!("{python}, active in {}", text_of(&domains)));
}

/// Prints the summary.
pub fn print_summary(status: &OxStatus) {
    let t = stats::totals();
    row("version", format_args!("{}", env!("CARGO_PKG_VERSION")));
    row("pid", format_args!("{}", os::process_id()));
    if status.active_domains == 0 {
        return row("status", format_args!("{}", text(status)));
    }
    row("active in", format_args!("{}", text_of(&domains(status))));
    let live = [t.mem.live_bytes, t.obj.live_bytes];
    row_of_bytes("live", live[0] + live[1], format_args!("mem {}, obj {}", live[0], live[1]));
    let peak = [t.mem.peak_bytes, t.obj.peak_bytes];
    row_of_bytes("peak", peak[0] + peak[1], format_args!("mem {}, obj {}", peak[0], peak[1]));
    row_of_bytes("resident", t.resident_bytes, format_args!("of {} mapped", t.mapped_bytes));
    row_of_bytes("given back", t.given_back_bytes, format_args!("{} times", t.given_back_calls));
    row("arenas", format_args!("{:>14}  at most {}", t.arenas, t.arenas_peak));
    let pools = t.pools_used + t.pools_full + t.pools_empty;
    row(
        "pools",
        format_args!(
            "{pools:>14}  {} used, {} full, {} empty",
            t.pools_used, t.pools_full, t.pools_empty
        ),
    );
    row("spans", format_args!("{:>14}", t.spans));
    row("large", format_args!("{:>14}  {} bytes", t.large_blocks, t.large_bytes));
}

/// Why it is inactive.
fn text(status: &OxStatus) -> &str {
    // SAFETY: the text ends with a NUL.
    unsafe { CStr::from_ptr(status.text.as_ptr()) }.to_str().unwrap_or("inactive")
}

/// The domains in which it is active, as "mem, obj".
fn domains(status: &OxStatus) -> Line {
    let domains = [(OX_DOMAIN_RAW, "raw"), (OX_DOMAIN_MEM, "mem"), (OX_DOMAIN_OBJ, "obj")];
    let mut names = Line::new();
    for (_, name) in domains.iter().filter(|(d, _)| status.active_domains >> d & 1 == 1) {
        let comma = if names.as_bytes().is_empty() { "" } else { ", " };
        let _ = write!(names, "{comma}{name}");
    }
    names
}

fn text_of(line: &Line) -> &str {
    core::str::from_utf8(line.as_bytes()).unwrap_or("")
}

fn row(name: &str, value: Arguments) {
    let mut line = Line::new();
    let _ = write!(line, "oxmalloc: {name:<11}{value}");
    line.print_to_stderr();
}

fn row_of_bytes(name: &str, bytes: usize, more: Arguments) {
    row(name, format_args!("{bytes:>14}  bytes ({more})"));
}
