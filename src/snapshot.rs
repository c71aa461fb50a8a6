//! The heap as JSON on a file descriptor, without taking a byte of memory.
//!
//! A JSON library would allocate, and a snapshot is wanted most when there is
//! nothing left; what is written here are numbers and fixed words only.

use crate::interface::{
    OX_DOMAIN_MEM, OX_POOL_EMPTY, OX_POOL_FULL, OX_POOL_LARGE, OX_POOL_SPAN, OX_POOL_USED,
    OxDomainStats,
};
use crate::{os, stats};
use core::fmt::{self, Write};

/// Collects text and writes it in pieces.
struct Sink {
    fd: i32,
    bytes: [u8; 4096],
    length: usize,
    error: i32,
}

impl Sink {
    fn flush(&mut self) -> fmt::Result {
        let answer = os::write_all(self.fd, &self.bytes[..self.length]);
        self.length = 0;
        answer.map_err(|error| {
            self.error = error;
            fmt::Error
        })
    }
}

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut text = text.as_bytes();
        while !text.is_empty() {
            if self.length == self.bytes.len() {
                self.flush()?;
            }
            let part = text.len().min(self.bytes.len() - self.length);
            self.bytes[self.length..self.length + part].copy_from_slice(&text[..part]);
            self.length += part;
            text = &text[part..];
        }
        Ok(())
    }
}

/// Writes the snapshot; 0, or the errno of the write that failed.
pub fn write(fd: i32) -> i32 {
    let mut sink = Sink { fd, bytes: [0; 4096], length: 0, error: 0 };
    match write_all(&mut sink).and_then(|()| sink.flush()) {
        Ok(()) => 0,
        Err(_) => sink.error,
    }
}

fn write_all(to: &mut Sink) -> fmt::Result {
    let t = stats::totals();
    write!(
        to,
        "{{\"oxmalloc\":\"{}\",\"pid\":{},\"page_bytes\":{},\"totals\":{{",
        env!("CARGO_PKG_VERSION"),
        os::process_id(),
        os::page_size(),
    )?;
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
    write_fields(to, &fields)?;
    write!(to, "}},\"arenas\":[")?;
    let mut separator = "";
    visited(|answer| {
        stats::visit_arenas(|a| {
            answer.set(write!(
                to,
                "{separator}\n{{\"address\":{},\"bytes\":{},\"pools\":{},\"pools_vacant\":{},\
                 \"pools_clean\":{}}}",
                a.address, a.bytes, a.pools, a.pools_vacant, a.pools_clean
            ));
            separator = ",";
            answer.code()
        })
    })?;
    write!(to, "],\"pools\":[")?;
    separator = "";
    visited(|answer| {
        stats::visit_pools(|p| {
            let state = match p.state {
                OX_POOL_USED => "used",
                OX_POOL_FULL => "full",
                OX_POOL_EMPTY => "empty",
                OX_POOL_SPAN => "span",
                OX_POOL_LARGE => "large",
                _ => "unknown",
            };
            let domain = if p.domain == OX_DOMAIN_MEM as u32 { "mem" } else { "obj" };
            answer.set(write!(
                to,
                "{separator}\n{{\"address\":{},\"bytes\":{},\"domain\":\"{domain}\",\
                 \"state\":\"{state}\",\"block_bytes\":{},\"capacity\":{},\"live\":{},\
                 \"free\":{},\"untouched\":{},\"purged_bytes\":{}}}",
                p.address,
                p.bytes,
                p.block_bytes,
                p.capacity,
                p.live,
                p.free,
                p.untouched,
                p.purged_bytes
            ));
            separator = ",";
            answer.code()
        })
    })?;
    writeln!(to, "]}}")
}

/// Carries a failed write out of a visit.
struct Answer(fmt::Result);

impl Answer {
    fn set(&mut self, result: fmt::Result) {
        self.0 = result;
    }

    fn code(&self) -> i32 {
        i32::from(self.0.is_err())
    }
}

fn visited(visit: impl FnOnce(&mut Answer) -> i32) -> fmt::Result {
    let mut answer = Answer(Ok(()));
    visit(&mut answer);
    answer.0
}

fn write_domain(to: &mut Sink, name: &str, d: &OxDomainStats) -> fmt::Result {
    write!(to, "\"{name}\":{{")?;
    let fields = [
        ("live_bytes", d.live_bytes),
        ("live_blocks", d.live_blocks),
        ("free_bytes", d.free_bytes),
        ("untouched_bytes", d.untouched_bytes),
        ("pool_bytes", d.pool_bytes),
        ("peak_bytes", d.peak_bytes),
    ];
    write_fields(to, &fields)?;
    write!(to, "}},")
}

fn write_fields(to: &mut Sink, fields: &[(&str, usize)]) -> fmt::Result {
    for (index, (name, value)) in fields.iter().enumerate() {
        write!(to, "{}\"{name}\":{value}", if index > 0 { "," } else { "" })?;
    }
    Ok(())
}
