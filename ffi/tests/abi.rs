//! `abi.txt` says what a compiled program relies on: symbols and their types, numbers, sizes, offsets. Adding to it is fine; a line that
//! changes or goes away breaks programs that run, and needs a new number in `FB_ABI_VERSION` and in the soname.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The header without comments and directives.
fn declarations() -> String {
    let header = std::fs::read_to_string(Path::new(CRATE).join("include/fuseboard.h")).unwrap();
    let mut code = String::new();
    for (number, part) in header.split("/*").enumerate() {
        let rest = part.split_once("*/").map_or("", |(_, rest)| rest);
        code.push_str(if number == 0 { part } else { rest });
    }
    let is_code = |line: &&str| !line.trim_start().starts_with('#');
    code.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `fb_status fb_breaker_cancel(…)`
fn functions(code: &str) -> Vec<String> {
    code.split(';')
        .map(in_one_line)
        .filter_map(|statement| {
            let from = statement.rfind(['{', '}']).map_or(0, |at| at + 1);
            let statement = statement[from..].trim();
            let (name, _) = statement.split_once('(')?;
            let is_function = name.contains(" fb_") || name.contains(" *fb_");
            let is_type = statement.starts_with("typedef");
            (is_function && !is_type).then(|| statement.to_owned())
        })
        .collect()
}

/// `FB_OPEN = 1`, and `#define FB_X 1`.
fn numbers(code: &str) -> Vec<String> {
    let header = std::fs::read_to_string(Path::new(CRATE).join("include/fuseboard.h")).unwrap();
    let constants = header.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("#define FB_")?.split_once(' ')?;
        let is_ours = !name.contains("VERSION") && name != "HOSTED";
        is_ours.then(|| format!("FB_{name} = {value}"))
    });
    let members = code
        .split([',', '{', '}'])
        .map(in_one_line)
        .filter(|item| item.starts_with("FB_") && item.contains(" = "));
    members.chain(constants).collect()
}

/// (struct, its members)
fn structs(code: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for part in code.split("typedef struct ").skip(1) {
        let Some((name, rest)) = part.split_once('{') else {
            continue;
        };
        let name = name.trim();
        if name.contains(';') {
            continue;
        }
        let (body, _) = rest.split_once('}').expect("its end");
        let members = body.split(';').map(in_one_line).filter_map(|member| {
            let name = member.rsplit([' ', '*']).next()?;
            let name = name.split('[').next()?;
            (!name.is_empty()).then(|| name.to_owned())
        });
        found.push((name.to_owned(), members.collect()));
    }
    found
}

/// What the compiler makes of the structs.
fn layout(structs: &[(String, Vec<String>)]) -> String {
    let mut program =
        "#include <stddef.h>\n#include <stdio.h>\n#include <fuseboard.h>\nint main(void)\n{\n"
            .to_owned();
    for (name, members) in structs {
        let _ = writeln!(program, "printf(\"{name}: size %zu\\n\", sizeof({name}));");
        for member in members {
            let _ = writeln!(
                program,
                "printf(\"{name}.{member}: offset %zu, size %zu\\n\", offsetof({name}, {member}), sizeof((({name} *)0)->{member}));"
            );
        }
    }
    program.push_str("return 0;\n}\n");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("layout.c"), program).unwrap();
    let mut cc = Command::new("cc");
    cc.args([
        "-std=c99", "-Wall", "-Werror", "layout.c", "-o", "layout", "-I",
    ])
    .arg(Path::new(CRATE).join("include"))
    .current_dir(&folder);
    assert!(cc.status().unwrap().success(), "{cc:?}");
    let output = Command::new(folder.join("layout")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The number that the header says.
fn abi_version() -> String {
    let header = std::fs::read_to_string(Path::new(CRATE).join("include/fuseboard.h")).unwrap();
    let (_, rest) = header.split_once("#define FB_ABI_VERSION ").unwrap();
    rest.lines().next().unwrap().trim().to_owned()
}

fn current() -> String {
    let code = declarations();
    let (mut functions, numbers, structs) = (functions(&code), numbers(&code), structs(&code));
    functions.sort();
    assert!(functions.len() > 150 && numbers.len() > 50 && structs.len() > 8);
    format!(
        "abi {}\n\n{}\n\n{}\n\n{}",
        abi_version(),
        functions.join("\n"),
        numbers.join("\n"),
        layout(&structs)
    )
}

#[test]
fn the_abi_is_what_the_record_says() {
    let path = Path::new(CRATE).join("abi.txt");
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    let current = current();
    let kept: BTreeSet<_> = current.lines().collect();
    let gone: Vec<_> = recorded
        .lines()
        .filter(|line| !kept.contains(line))
        .collect();
    let is_new_number = gone.iter().any(|line| line.starts_with("abi "));
    assert!(
        gone.is_empty() || is_new_number,
        "programs that run rely on what has changed; raise FB_ABI_VERSION (ffi/src/version.rs) and the soname \
         (ffi/build.rs, tests/xtask/src/install.rs), or take it back:\n{}",
        gone.join("\n")
    );
    if std::env::var_os("FUSEBOARD_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, current).unwrap();
        return;
    }
    assert!(
        recorded == current,
        "ffi/abi.txt is out of date: FUSEBOARD_BLESS=1 cargo test -p fuseboard-ffi --test abi"
    );
}

/// The number in the soname, where it is asked for and where it is installed, is that of the ABI.
#[test]
fn the_soname_has_the_number_of_the_abi() {
    let version = abi_version();
    for (file, line) in [
        (
            "build.rs",
            format!("-Wl,-soname,libfuseboard.so.{version}\""),
        ),
        (
            "../tests/xtask/src/install.rs",
            format!("const ABI: &str = \"{version}\";"),
        ),
    ] {
        let text = std::fs::read_to_string(Path::new(CRATE).join(file)).unwrap();
        assert!(text.contains(&line), "{file} does not say {line}");
    }
}
