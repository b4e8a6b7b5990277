//! Retries with growing, scattered pauses, within a budget that all callers share.

use fuseboard::{Backoff, Retry, RetryBudget, RetryConfig, Verdict};
use std::cell::Cell;
use std::io::{Error, ErrorKind};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let retry = Retry::new(RetryConfig {
        max_attempts: 4,
        backoff: Backoff {
            initial: Duration::from_millis(5),
            ..Default::default()
        },
        budget: Some(RetryBudget::default()),
        ..Default::default()
    })?;
    // Only what may be repeated is: asking again for what is not there is no use.
    let judge = |result: Result<&&str, &Error>| match result {
        Ok(_) => Verdict::SUCCESS,
        Err(error) if error.kind() == ErrorKind::NotFound => Verdict::SUCCESS,
        Err(_) => Verdict::FAILURE,
    };

    let attempts = Cell::new(0);
    let flaky = async || {
        attempts.set(attempts.get() + 1);
        match attempts.get() {
            1 | 2 => Err(Error::other("connection reset")),
            _ => Ok("the answer"),
        }
    };
    let answer = retry.call_with(&judge, flaky).await?;
    println!("{answer} at attempt {}", attempts.get());

    let missing = retry.call_with(&judge, async || Err(Error::from(ErrorKind::NotFound)));
    println!("{}, at once", missing.await.expect_err("it is not there"));
    Ok(())
}
