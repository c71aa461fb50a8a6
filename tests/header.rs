//! include/oxmalloc.h is what cbindgen makes of the sources.

mod checked_in;

#[test]
fn the_header_is_the_generated_one() {
    checked_in::compare("include/oxmalloc.h", oxmalloc::testing::GENERATED_HEADER);
}
