//! The README's first screen is true: its two commands, and blocks that are tested where they come from.

use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The first block of a language.
fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let start = format!("```{language}\n");
    let from = text
        .find(&start)
        .unwrap_or_else(|| panic!("no {language} block"))
        + start.len();
    let length = text[from..].find("```").expect("the block ends");
    &text[from..from + length]
}

#[test]
fn the_first_screen_has_the_two_commands() {
    let readme = read("README.md");
    let commands = block(&readme, "sh");
    for command in ["cargo run --release", "cargo xtask test"] {
        assert!(
            commands.contains(command),
            "`{command}` is not in the first block"
        );
    }
}

#[test]
fn the_blocks_are_the_ones_that_are_tested() {
    let readme = read("README.md");
    // `python/tests` and `ffi/tests` run these; the Rust ones are tests of `fuseboard`'s documentation.
    assert_eq!(
        block(&readme, "python"),
        block(&read("python/README.md"), "python")
    );
    let tested = read("ffi/README.md");
    let tested = block(&tested, "c").replace("#include \"fuseboard.h\"\n", "");
    let shown = block(&readme, "c");
    for line in shown.lines().filter(|line| !line.trim().is_empty()) {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words(&tested).contains(&words(line)),
            "ffi/README.md does not have `{line}`"
        );
    }
}
