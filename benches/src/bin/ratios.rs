//! Prints what the last run of the suites measured, as ratios to one atomic addition.

use anyhow::{Context, bail};
use fuseboard_benches::FETCH_ADD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Row name and median in nanoseconds, fastest first.
type Rows = Vec<(String, f64)>;

fn main() -> anyhow::Result<()> {
    let folder = env::args_os()
        .nth(1)
        .map_or_else(criterion_folder, PathBuf::from);
    let groups = read(&folder)?;
    if groups.is_empty() {
        bail!(
            "no results in {}; run `cargo bench -p fuseboard-benches` first, or name criterion's folder",
            folder.display()
        );
    }
    for (group, rows) in &groups {
        let unit = rows
            .iter()
            .find(|(name, _)| name == FETCH_ADD)
            .map(|(_, time)| *time)
            .with_context(|| format!("group {group:?} has no row {FETCH_ADD:?}"))?;
        println!("| {group} | ns | x fetch_add |\n|---|---|---|");
        for (name, time) in rows {
            println!("| {name} | {time:.2} | {:.2} |", time / unit);
        }
        println!();
    }
    Ok(())
}

/// Where criterion leaves its results, as it decides itself.
fn criterion_folder() -> PathBuf {
    if let Some(home) = env::var_os("CRITERION_HOME") {
        return home.into();
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    target.join("criterion")
}

fn read(folder: &Path) -> anyhow::Result<BTreeMap<String, Rows>> {
    let mut groups = BTreeMap::<String, Rows>::new();
    for group in folders(folder)? {
        for row in folders(&group)? {
            let latest = row.join("new");
            // Criterion keeps folders for its reports beside those of the rows.
            if latest.join("benchmark.json").exists() {
                let (group, name, time) = read_row(&latest)?;
                groups.entry(group).or_default().push((name, time));
            }
        }
    }
    for rows in groups.values_mut() {
        rows.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    }
    Ok(groups)
}

fn read_row(folder: &Path) -> anyhow::Result<(String, String, f64)> {
    let benchmark = json(&folder.join("benchmark.json"))?;
    let estimates = json(&folder.join("estimates.json"))?;
    let text = |key: &str| benchmark[key].as_str().map(str::to_owned);
    text("group_id")
        .zip(text("function_id"))
        .zip(estimates["median"]["point_estimate"].as_f64())
        .map(|((group, name), time)| (group, name, time))
        .with_context(|| {
            format!(
                "{} is not of the criterion version that this program reads",
                folder.display()
            )
        })
}

fn json(path: &Path) -> anyhow::Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// The folders in `parent`; none where it does not exist.
fn folders(parent: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !parent.exists() {
        return Ok(Vec::new());
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(parent).with_context(|| format!("listing {}", parent.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    Ok(folders)
}
