//! libFuzzer's entry: `FUSEBOARD_FUZZ_TARGET` says which target its bytes go to.

#![no_main]

use std::env;
use std::sync::OnceLock;

use fuseboard_fuzz::{TARGETS, Target, target};
use libfuzzer_sys::fuzz_target;

static CHOSEN: OnceLock<&'static Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let chosen = CHOSEN.get_or_init(|| {
        let name = env::var("FUSEBOARD_FUZZ_TARGET").unwrap_or_default();
        target(&name).unwrap_or_else(|| {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            panic!(
                "FUSEBOARD_FUZZ_TARGET is `{name}`; it must be one of {}",
                names.join(", ")
            )
        })
    });
    (chosen.run)(data);
});
