//! The heap as JSON on a file descriptor, without taking a byte of memory.
//!
//! A JSON library would allocate, and a snapshot is wanted most when there is
//! nothing left. The program stands still meanwhile, and there may be a million
//! pools: each is a row of a table whose columns are named once, which is less
//! than half the text of an object each.
//! python/oxmalloc/snapshots.py reads it; FORMAT says what to expect.

use crate::interface::{
    OX_DOMAIN_MEM, OX_POOL_EMPTY, OX_POOL_FULL, OX_POOL_LARGE, OX_POOL_SPAN, OX_POOL_USED,
    OxDomainStats, OxPoolInfo,
};
use crate::layout::{ARENA_SIZE, POOL_SIZE};
use crate::size_class::SizeClass;
use crate::{os, python, stats};

/// Changes when a field is renamed, removed, or means something else; a new one
/// does not count.
const FORMAT: usize = 1;

/// Columns of `pools`: what is in the arenas.
const POOL_FIELDS: [&str; 11] = [
    "address",
    "bytes",
    "domain",
    "state",
    "block_bytes",
    "capacity",
    "live",
    "free",
    "untouched",
    "purged_bytes",
    "age_ms",
];

/// Columns of `large_blocks`.
const LARGE_FIELDS: [&str; 5] = ["address", "bytes", "domain", "resident_bytes", "age_ms"];

/// The errno of a write that failed.
struct Failed(i32);

type Result = core::result::Result<(), Failed>;

/// Writes the snapshot; 0, or the errno of the write that failed.
pub fn write(fd: i32) -> i32 {
    let mut sink = Sink { fd, bytes: [0; 16384], length: 0 };
    match write_all(&mut sink).and_then(|()| sink.flush()) {
        Ok(()) => 0,
        Err(Failed(error)) => error,
    }
}

fn write_all(to: &mut Sink) -> Result {
    to.text("{\"oxmalloc\":\"")?;
    to.text(env!("CARGO_PKG_VERSION"))?;
    to.text("\",")?;
    to.field("format", FORMAT)?;
    to.text(",")?;
    to.field("time", os::epoch_seconds() as usize)?;
    write_process(to)?;
    let sizes =
        [("page_bytes", os::page_size()), ("pool_bytes", POOL_SIZE), ("arena_bytes", ARENA_SIZE)];
    for (name, bytes) in sizes {
        to.text(",")?;
        to.field(name, bytes)?;
    }
    to.text(",\"size_classes\":[")?;
    to.list(SizeClass::all().map(SizeClass::block_size))?;
    to.text("],\n")?;
    write_totals(to)?;
    to.text(",\n\"arenas\":[")?;
    write_arenas(to)?;
    to.text("],\n\"extents\":[")?;
    write_extents(to)?;
    to.text("],\n")?;
    to.columns("pool_fields", &POOL_FIELDS)?;
    to.text(",\"pools\":[")?;
    write_pools(to, |pool| pool.state != OX_POOL_LARGE, write_pool)?;
    to.text("],\n")?;
    to.columns("large_fields", &LARGE_FIELDS)?;
    to.text(",\"large_blocks\":[")?;
    write_pools(to, |pool| pool.state == OX_POOL_LARGE, write_large)?;
    to.text("]}\n")
}

fn write_process(to: &mut Sink) -> Result {
    to.text(",\"process\":{")?;
    to.field("pid", os::process_id() as usize)?;
    to.text(",\"name\":\"")?;
    for byte in os::thread_name().into_iter().take_while(|byte| *byte != 0) {
        let plain = matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        to.bytes(&[if plain { byte } else { b'?' }])?;
    }
    to.text("\",")?;
    to.field("python_version", python::version() as usize)?;
    to.text(",\"resident_bytes\":")?;
    match os::process_resident() {
        Some(bytes) => to.number(bytes)?,
        None => to.text("null")?,
    }
    to.text("}")
}

fn write_totals(to: &mut Sink) -> Result {
    let t = stats::totals();
    to.text("\"totals\":{")?;
    write_domain(to, "mem", &t.mem)?;
    write_domain(to, "obj", &t.obj)?;
    let fields: [(&str, usize); 18] = [
        ("arenas", t.arenas),
        ("arenas_peak", t.arenas_peak),
        ("pools_used", t.pools_used),
        ("pools_full", t.pools_full),
        ("pools_empty", t.pools_empty),
        ("spans", t.spans),
        ("large_blocks", t.large_blocks),
        ("large_bytes", t.large_bytes),
        ("large_cached_bytes", t.large_cached_bytes),
        ("mapped_bytes", t.mapped_bytes),
        ("resident_bytes", t.resident_bytes),
        ("metadata_bytes", t.metadata_bytes),
        ("given_back_bytes", t.given_back_bytes),
        ("given_back_calls", t.given_back_calls),
        ("heaps", t.heaps),
        ("heaps_idle", t.heaps_idle),
        ("handovers", t.handovers),
        ("remote_frees", t.remote_frees),
    ];
    to.fields(&fields)?;
    to.text("}")
}

fn write_domain(to: &mut Sink, name: &str, d: &OxDomainStats) -> Result {
    to.text("\"")?;
    to.text(name)?;
    to.text("\":{")?;
    to.fields(&[
        ("live_bytes", d.live_bytes),
        ("live_blocks", d.live_blocks),
        ("free_bytes", d.free_bytes),
        ("untouched_bytes", d.untouched_bytes),
        ("pool_bytes", d.pool_bytes),
        ("peak_bytes", d.peak_bytes),
    ])?;
    to.text("},")
}

/// Each arena with the resident pages of each of its pools, in use or not.
fn write_arenas(to: &mut Sink) -> Result {
    let mut rows = Rows::new();
    for (arena, resident) in stats::arenas() {
        let answer = rows.add(to, "{", |to| {
            to.fields(&[
                ("address", arena.address),
                ("bytes", arena.bytes),
                ("pools", arena.pools),
                ("pools_vacant", arena.pools_vacant),
                ("pools_clean", arena.pools_clean),
            ])?;
            to.text(",\"resident_pages\":[")?;
            let pools = (arena.address..arena.address + ARENA_SIZE).step_by(POOL_SIZE);
            to.list(pools.map(|pool| resident.bytes(pool, POOL_SIZE) / os::page_size()))?;
            to.text("]}")
        });
        if answer != 0 {
            break;
        }
    }
    rows.result
}

/// The memory that large blocks lie in, freed ones too.
fn write_extents(to: &mut Sink) -> Result {
    let mut rows = Rows::new();
    stats::visit_extents(|address, bytes| {
        rows.add(to, "{", |to| {
            let resident = os::resident(address, bytes);
            to.fields(&[("address", address), ("bytes", bytes), ("resident_bytes", resident)])?;
            to.text("}")
        })
    });
    rows.result
}

fn write_pools(
    to: &mut Sink,
    wanted: fn(&OxPoolInfo) -> bool,
    write: fn(&mut Sink, &OxPoolInfo) -> Result,
) -> Result {
    let mut rows = Rows::new();
    stats::visit_pools(|pool| {
        if !wanted(pool) {
            return 0;
        }
        rows.add(to, "[", |to| {
            write(to, pool)?;
            to.text("]")
        })
    });
    rows.result
}

/// In the order of POOL_FIELDS.
fn write_pool(to: &mut Sink, pool: &OxPoolInfo) -> Result {
    to.list([pool.address, pool.bytes])?;
    to.text(domain(pool))?;
    to.text(match pool.state {
        OX_POOL_USED => ",\"used\",",
        OX_POOL_FULL => ",\"full\",",
        OX_POOL_EMPTY => ",\"empty\",",
        OX_POOL_SPAN => ",\"span\",",
        _ => ",\"unknown\",",
    })?;
    to.list([
        pool.block_bytes,
        pool.capacity,
        pool.live,
        pool.free,
        pool.untouched,
        pool.purged_bytes,
        pool.age_ms,
    ])
}

/// In the order of LARGE_FIELDS.
fn write_large(to: &mut Sink, block: &OxPoolInfo) -> Result {
    to.list([block.address, block.bytes])?;
    to.text(domain(block))?;
    to.text(",")?;
    to.list([os::resident(block.address, block.bytes), block.age_ms])
}

fn domain(pool: &OxPoolInfo) -> &'static str {
    if pool.domain == OX_DOMAIN_MEM as u32 { ",\"mem\"" } else { ",\"obj\"" }
}

/// Rows of a list, a line each; carries a failed write out of a visit.
struct Rows {
    separator: &'static str,
    result: Result,
}

impl Rows {
    fn new() -> Rows {
        Rows { separator: "\n", result: Ok(()) }
    }

    /// What a visitor answers: something else than 0 when the write failed.
    fn add(&mut self, to: &mut Sink, start: &str, write: impl FnOnce(&mut Sink) -> Result) -> i32 {
        self.result =
            to.text(self.separator).and_then(|()| to.text(start)).and_then(|()| write(to));
        self.separator = ",\n";
        i32::from(self.result.is_err())
    }
}

/// Collects text and writes it in pieces.
struct Sink {
    fd: i32,
    bytes: [u8; 16384],
    length: usize,
}

impl Sink {
    fn flush(&mut self) -> Result {
        let answer = os::write_all(self.fd, &self.bytes[..self.length]);
        self.length = 0;
        answer.map_err(Failed)
    }

    fn bytes(&mut self, mut bytes: &[u8]) -> Result {
        while !bytes.is_empty() {
            if self.length == self.bytes.len() {
                self.flush()?;
            }
            let part = bytes.len().min(self.bytes.len() - self.length);
            self.bytes[self.length..self.length + part].copy_from_slice(&bytes[..part]);
            self.length += part;
            bytes = &bytes[part..];
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result {
        self.bytes(text.as_bytes())
    }

    fn number(&mut self, mut number: usize) -> Result {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return self.bytes(&digits[at..]);
            }
        }
    }

    /// Numbers with commas between.
    fn list(&mut self, numbers: impl IntoIterator<Item = usize>) -> Result {
        for (index, number) in numbers.into_iter().enumerate() {
            if index > 0 {
                self.text(",")?;
            }
            self.number(number)?;
        }
        Ok(())
    }

    /// `"name":value`.
    fn field(&mut self, name: &str, value: usize) -> Result {
        self.text("\"")?;
        self.text(name)?;
        self.text("\":")?;
        self.number(value)
    }

    fn fields(&mut self, fields: &[(&str, usize)]) -> Result {
        for (index, (name, value)) in fields.iter().enumerate() {
            if index > 0 {
                self.text(",")?;
            }
            self.field(name, *value)?;
        }
        Ok(())
    }

    /// `"name":["column",...]`.
    fn columns(&mut self, name: &str, columns: &[&str]) -> Result {
        self.text("\"")?;
        self.text(name)?;
        self.text("\":[\"")?;
        for (index, column) in columns.iter().enumerate() {
            self.text(if index > 0 { "\",\"" } else { "" })?;
            self.text(column)?;
        }
        self.text("\"]")
    }
}
