//! A call that hangs ends after a second, and is dropped.

use fuseboard::{CallError, Timeout};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), fuseboard::ConfigError> {
    let timeout = Timeout::new(Duration::from_millis(50))?;
    let hangs = std::future::pending::<Result<String, std::io::Error>>();
    match timeout.call(hangs).await {
        Err(CallError::TimedOut { limit }) => println!("gave up after {limit:?}"),
        other => println!("{other:?}"),
    }
    Ok(())
}
