//! Texts that mean harm: none panics, overflows the stack or takes for ever.

use fuseboard::config::{Config, Format};
use proptest::prelude::*;
use std::fmt::Write;

const EXAMPLES: [&str; 3] = [
    include_str!("../../../examples/config/shop.toml"),
    include_str!("../../../examples/config/shop.yaml"),
    include_str!("../../../examples/config/shop.json"),
];

/// Reads it in all formats; what is found points into the text.
fn survive(text: &str) {
    for format in Format::ALL {
        let findings = match Config::from_text(text, format) {
            Ok(config) => {
                serde_json::to_string(&config).unwrap();
                config.warnings().to_vec()
            }
            Err(error) => {
                assert!(!error.findings().is_empty() && !error.to_string().is_empty());
                let whole = error.text().unwrap_or(text);
                for place in error
                    .findings()
                    .iter()
                    .filter_map(|finding| finding.place.as_ref())
                {
                    assert!(whole.get(place.span.clone()).is_some(), "{place:?}");
                }
                error.findings().to_vec()
            }
        };
        assert!(findings.len() <= 100, "{}", findings.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_text_is_survived(text in "\\PC{0,200}") {
        survive(&text);
    }

    #[test]
    fn random_punctuation_is_survived(text in r#"[\[\]{}:,\"'#&*!|>%@`=\-.?~\n\t 0-9a-f\\eE+]{0,120}"#) {
        survive(&text);
    }

    /// A good file with a piece cut out, doubled or put elsewhere.
    #[test]
    fn a_spoilt_file_is_survived(
        which in 0_usize..3,
        from in any::<prop::sample::Index>(),
        length in 0_usize..80,
        to in any::<prop::sample::Index>(),
        keep in any::<bool>(),
    ) {
        let mut letters: Vec<char> = EXAMPLES[which].chars().collect();
        let from = from.index(letters.len());
        let end = (from + length).min(letters.len());
        let piece: Vec<char> = if keep { letters[from..end].to_vec() } else { letters.drain(from..end).collect() };
        let to = to.index(letters.len() + 1);
        letters.splice(to..to, piece);
        survive(&letters.into_iter().collect::<String>());
    }

    /// Any value at any setting.
    #[test]
    fn random_values_are_survived(setting in "failure_threshold|open_timeout|window|minimum_requests|open_backoff", value in "\\PC{0,30}|[0-9]{1,60}|-?[0-9.eE+-]{1,20}|[0-9]{1,25} ?[a-zµ]{1,6}") {
        survive(&format!("[breakers.x]\n{setting} = {value}"));
        survive(&format!("[breakers.x]\n{setting} = {value:?}"));
        survive(&format!("breakers:\n  x:\n    {setting}: {value}"));
        survive(&format!("{{\"breakers\":{{\"x\":{{\"{setting}\":{value}}}}}}}"));
        survive(&format!("[rate_limits.x]\nrate = {value:?}"));
    }
}

#[test]
fn numbers_beyond_every_type_are_out_of_range() {
    for number in [
        "1e999",
        "-1e999",
        "999999999999999999999999999999999999999999",
        "1e-999",
    ] {
        for (text, format) in [
            (
                format!("[breakers.x]\nopen_backoff = {number}"),
                Format::Toml,
            ),
            (
                format!("breakers: {{x: {{open_backoff: {number}}}}}"),
                Format::Yaml,
            ),
            (
                format!("{{\"breakers\":{{\"x\":{{\"open_backoff\":{number}}}}}}}"),
                Format::Json,
            ),
        ] {
            assert!(Config::from_text(&text, format).is_err(), "{text}");
            survive(&text);
        }
    }
    for number in [".inf", "-.inf", ".nan", "inf", "nan", "+inf"] {
        survive(&format!("breakers: {{x: {{failure_threshold: {number}}}}}"));
        survive(&format!("[breakers.x]\nfailure_threshold = {number}"));
    }
}

#[test]
fn a_key_that_stands_twice_is_refused_in_every_format() {
    for (text, format) in [
        (
            "[breakers.x]\nramp_up = \"1s\"\nramp_up = \"2s\"",
            Format::Toml,
        ),
        (
            "breakers:\n  x:\n    ramp_up: 1s\n    ramp_up: 2s",
            Format::Yaml,
        ),
        (
            "{\"breakers\":{\"x\":{\"ramp_up\":\"1s\",\"ramp_up\":\"2s\"}}}",
            Format::Json,
        ),
        (
            "{\"breakers\":{\"x\":{\"ramp_up\":\"1s\",\"ramp\\u005fup\":\"2s\"}}}",
            Format::Json,
        ),
        ("{\"breakers\":{},\"breakers\":{}}", Format::Json),
    ] {
        let error = Config::from_text(text, format).unwrap_err();
        assert_eq!(error.findings().len(), 1, "{error}");
    }
}

#[test]
fn depth_is_bounded() {
    for levels in [15, 16, 17, 100, 10_000, 200_000] {
        for (open, close) in [
            ("{\"a\":", "}"),
            ("[", "]"),
            ("{a: ", "}"),
            ("- ", ""),
            ("a.", ""),
        ] {
            let mut text = open.repeat(levels);
            text.push('1');
            text.push_str(&close.repeat(levels));
            survive(&text);
            survive(&format!("a = {text}"));
        }
        let mut steps = String::new();
        for level in 0..levels.min(1_000) {
            writeln!(steps, "{:level$}a:", "").unwrap();
        }
        survive(&steps);
    }
}

#[test]
fn aliases_are_bounded() {
    // Each level holds the one before ten times: a thousand million at the tenth.
    let mut wide = "a0: &a0 {x: 1}\n".to_owned();
    // Each level holds the one before once, one deeper.
    let mut deep = wide.clone();
    // A long text, many times.
    let mut long = format!("a: &a {}\n", "x".repeat(500_000));
    for level in 1..5_000 {
        let before = level - 1;
        let ten: Vec<_> = (0..10).map(|key| format!("k{key}: *a{before}")).collect();
        if level < 12 {
            writeln!(wide, "a{level}: &a{level} {{{}}}", ten.join(", ")).unwrap();
        }
        writeln!(deep, "a{level}: &a{level} {{x: *a{before}}}").unwrap();
        writeln!(long, "b{level}: *a").unwrap();
    }
    for (bomb, message) in [
        (&wide, "more than 100000 values"),
        (&deep, "nested deeper than 16 levels"),
        (&long, "more than 100000 values"),
    ] {
        let error = Config::from_text(bomb, Format::Yaml).unwrap_err();
        assert_eq!(error.findings()[0].id, "syntax", "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
    survive("a: &a [*a]");
    survive("a: &a {b: *a}");
    survive("&a *a");
    // What people do with them works.
    let shared = "breakers:\n  a: &usual {open_timeout: 5s}\n  b: *usual";
    let config = Config::from_text(shared, Format::Yaml).unwrap();
    assert_eq!(config.breaker("b").unwrap().open_timeout.as_secs(), 5);
}

/// As long as can be, and with as much to find as can be.
#[test]
fn a_long_text_is_read_or_refused_soon() {
    let mut keys = [
        "[breakers.x]\n".to_owned(),
        "breakers:\n  x:\n".to_owned(),
        String::new(),
    ];
    let mut number = 0;
    while keys[2].len() < 1_000_000 {
        number += 1;
        writeln!(keys[0], "key{number} = 1").unwrap();
        writeln!(keys[1], "    key{number}: 1").unwrap();
        write!(keys[2], "\"key{number}\":1,").unwrap();
    }
    keys[2] = format!("{{\"breakers\":{{\"x\":{{{}\"z\":1}}}}}}", keys[2]);
    for (text, format) in keys.iter().zip(Format::ALL) {
        let text = &text[..text.floor_char_boundary(1 << 20)];
        assert!(Config::from_text(text, format).is_err());
    }
    for letter in [
        "x", "\"", "[", "{", "é", "\n", "- ", "? ", "'", "0", "#", "a:\n ", "&a ", "*a ", "!", "%",
        "|\n",
    ] {
        let text = letter.repeat((1 << 20) / letter.len());
        survive(&text);
    }
    let too_long = " ".repeat((1 << 20) + 1);
    let error = Config::from_text(&too_long, Format::Yaml).unwrap_err();
    assert!(
        error.to_string().contains("longer than 1048576 bytes"),
        "{error}"
    );
}
