//! Compiles the C shim, and generates the header for the test that compares
//! it with the one that is checked in.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=src/shim.c");
    println!("cargo::rerun-if-changed=src/abi.rs");
    println!("cargo::rerun-if-changed=src/interface.rs");
    println!("cargo::rerun-if-changed=cbindgen.toml");

    cc::Build::new()
        .file("src/shim.c")
        .warnings_into_errors(true)
        // Nobody refers to the constructor, and it must not be dropped.
        .link_lib_modifier("+whole-archive")
        .compile("oxmalloc_shim");

    // Calls inside the library stay inside: a second copy in the process must
    // find that it is the second.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    // std links the shared libgcc for its unwinder, which costs every process
    // that inherits the preload one more library to load. We never unwind: the
    // linker finds the static one under the same name first.
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    fs::write(out.join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n").unwrap();
    println!("cargo::rustc-cdylib-link-arg=-L{}", out.display());
    // The hooks stay for the life of the process, so the code must too.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    let major = env::var("CARGO_PKG_VERSION_MAJOR").unwrap();
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liboxmalloc.so.{major}");

    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let header = out.join("oxmalloc.h");
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/interface.rs"))
        .with_src(root.join("src/abi.rs"))
        .generate()
        .expect("src/interface.rs and src/abi.rs are not what cbindgen can make a header of")
        .write_to_file(&header);
    println!("cargo::rustc-env=OXMALLOC_GENERATED_HEADER={}", header.display());
}
