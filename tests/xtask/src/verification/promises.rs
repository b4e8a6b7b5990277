//! `docs/invariants.md`: the promises, by noun.

use anyhow::{Context, Result, bail};

pub const PATH: &str = "docs/invariants.md";

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Promise {
    pub id: String,
    pub text: String,
    /// What no test shows yet; empty where everything is shown.
    pub missing: String,
}

/// (noun, its promises), in the order of the page.
pub fn parse(page: &str) -> Result<Vec<(String, Vec<Promise>)>> {
    let mut nouns: Vec<(String, Vec<Promise>)> = Vec::new();
    for line in page.lines() {
        if let Some(noun) = line.strip_prefix("## ") {
            nouns.push((noun.to_owned(), Vec::new()));
            continue;
        }
        let last = nouns.last_mut().map(|(_, promises)| promises);
        if let Some(rest) = line.strip_prefix("- **") {
            let (id, text) = rest
                .split_once("** ")
                .with_context(|| format!("{PATH}: write `- **ID** promise`, not `{line}`"))?;
            last.with_context(|| format!("{PATH}: {id} stands below no noun"))?
                .push(Promise {
                    id: id.to_owned(),
                    text: text.to_owned(),
                    missing: String::new(),
                });
        } else if let Some(missing) = line.strip_prefix("  Not shown yet: ") {
            match last.and_then(|promises| promises.last_mut()) {
                Some(promise) => missing.clone_into(&mut promise.missing),
                None => bail!("{PATH}: `{line}` stands below no promise"),
            }
        }
    }
    Ok(nouns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_one_line_and_what_is_missing_the_next() {
        let nouns =
            parse("# x\n\n## A\n- **B1** one\n  Not shown yet: all.\n- **B2** two\n").unwrap();
        let promises = &nouns[0].1;
        assert_eq!(
            (promises[0].id.as_str(), promises[0].missing.as_str()),
            ("B1", "all.")
        );
        assert_eq!(
            (promises[1].text.as_str(), promises[1].missing.as_str()),
            ("two", "")
        );
        assert!(parse("- **B1** one").is_err());
        assert!(parse("## A\n- **B1 one").is_err());
        assert!(parse("## A\n  Not shown yet: x").is_err());
    }
}
