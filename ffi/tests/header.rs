//! The committed header is what cbindgen makes of the source today, and every function in it says
//! what it returns and where it may be called.

use std::path::Path;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

fn generated() -> String {
    let config = cbindgen::Config::from_file(Path::new(CRATE).join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new()
        .with_crate(CRATE)
        .with_config(config)
        .generate()
        .unwrap();
    let mut header = Vec::new();
    bindings.write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn the_committed_header_is_up_to_date() {
    let path = Path::new(CRATE).join("include/fuseboard.h");
    let generated = generated();
    if std::env::var_os("FUSEBOARD_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, &generated).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let first = committed
        .lines()
        .zip(generated.lines())
        .position(|(old, new)| old != new);
    assert!(
        committed == generated,
        "ffi/include/fuseboard.h is not what cbindgen makes of ffi/src (first difference in line {}). \
         Update it with: FUSEBOARD_BLESS=1 cargo test -p fuseboard-ffi --test header",
        first.unwrap_or_else(|| committed.lines().count().min(generated.lines().count())) + 1,
    );
}

#[test]
fn every_function_says_what_it_returns_and_where_it_may_be_called() {
    let header = generated();
    let is_function = |line: &str| {
        [
            "fb_status ",
            "fb_state ",
            "void ",
            "uint32_t ",
            "const char *",
        ]
        .iter()
        .any(|returned| line.starts_with(returned))
            && line.contains('(')
    };
    let declared = header.lines().filter(|line| is_function(line)).count();
    let mut documented = 0;
    for (end, _) in header.match_indices("\n */\n") {
        let (before, after) = header.split_at(end);
        let declaration = after.trim_start_matches("\n */\n").lines().next().unwrap();
        if !is_function(declaration) {
            continue;
        }
        documented += 1;
        let comment = before.rsplit("/**\n").next().unwrap().replace("\n *", "");
        for promise in ["Returns: ", "Threads: ", "Signals: "] {
            assert!(
                comment.contains(promise),
                "{promise}is missing before: {declaration}"
            );
        }
    }
    assert_eq!(documented, declared, "a function without a comment");
    assert!(declared > 40, "only {declared} functions were found");
}
