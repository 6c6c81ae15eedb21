//! One program for all targets, so that it is linked once: `CERTROLL_FUZZ` names the one to run.
#![no_main]

mod targets;

use std::sync::OnceLock;

static CHECK: OnceLock<targets::Check> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let check = CHECK.get_or_init(|| {
        let name = std::env::var("CERTROLL_FUZZ").expect("CERTROLL_FUZZ names a target");
        targets::named(&name).expect("CERTROLL_FUZZ names a known target")
    });
    check(data);
});
