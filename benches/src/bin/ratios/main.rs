//! One process, one run: what each operation costs against the machine's limit and against the best peer.

mod arguments;
mod measure;
mod output;
mod setting;
mod verdict;

use anyhow::Result;
use clap::Parser;
use fuseboard_benches::rows;
use std::process::ExitCode;

fn main() -> Result<ExitCode> {
    let arguments = arguments::Arguments::parse();
    let rows = rows::all();
    let measured = measure::measure(&rows, &arguments);
    let verdicts = verdict::verdicts(&rows, &measured);
    if arguments.json {
        output::json(&verdicts)?;
    } else {
        print!(
            "{}",
            output::table(&verdicts, &measured, &setting::Setting::read())
        );
    }
    let missed = verdicts
        .iter()
        .any(|verdict| verdict.holds() == Some(false));
    Ok(if missed && arguments.strict {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
