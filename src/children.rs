//! OXMALLOC_CHILDREN=0: child processes are to run without us.

use crate::options;
use crate::os;
use core::ffi::c_void;
use std::ffi::CString;

/// Takes this library out of LD_PRELOAD, and its options, from the environment
/// of this process, which its children inherit. Only in the constructor: the
/// interpreter has not read the environment yet, and there is one thread.
pub fn keep_out() {
    if let (Some(preload), Some(file)) =
        (os::environment(c"LD_PRELOAD"), os::file_of(keep_out as *const c_void))
    {
        let rest = CString::new(without(preload, base_name(file))).ok();
        os::set_environment(c"LD_PRELOAD", rest.as_deref().filter(|rest| !rest.is_empty()));
    }
    for choice in options::TABLE {
        os::set_environment(choice.name, None);
    }
}

/// The entries of LD_PRELOAD, which spaces and colons separate, but for those
/// with this base name: the same file may be named in more than one way.
fn without(preload: &[u8], name: &[u8]) -> Vec<u8> {
    let entries = preload.split(|byte| b" :".contains(byte)).filter(|entry| !entry.is_empty());
    entries.filter(|entry| base_name(entry) != name).collect::<Vec<_>>().join(&b':')
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_of_others_stay_in_order() {
        let rest = |preload: &str| {
            String::from_utf8(without(preload.as_bytes(), b"liboxmalloc.so")).unwrap()
        };
        assert_eq!(rest("/a/liboxmalloc.so"), "");
        assert_eq!(
            rest("liboxmalloc.so:/b/libx.so /c/liby.so: :../liboxmalloc.so"),
            "/b/libx.so:/c/liby.so"
        );
        assert_eq!(
            rest("/b/liboxmalloc.so.1:/liboxmalloc.so/libx.so"),
            "/b/liboxmalloc.so.1:/liboxmalloc.so/libx.so"
        );
    }
}
