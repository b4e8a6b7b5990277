//! An order over three services: when the card is refused, what was done before is undone.

use fuseboard::{Progress, Saga};

async fn say(what: &'static str, is_done: bool) -> Result<(), std::io::Error> {
    println!("  {what}");
    tokio::task::yield_now().await; // the way there
    if is_done {
        Ok(())
    } else {
        Err(std::io::Error::other("card refused"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let order = Saga::new()
        .step("stock", |_| say("reserve", true), |_| say("release", true))
        .step("payment", |_| say("charge", false), |_| say("refund", true))
        .step(
            "parcel",
            |_| say("post", true),
            |_| say("stop the parcel", true),
        );
    // Kept in a database, this is what a restart goes on with.
    let mut kept = String::new();
    let keep = |progress: Progress| kept = progress.to_string();
    let end = order.run(1001_u32, Progress::START, keep).await;
    println!("{}", end.expect_err("the card is refused"));
    println!("kept last: {kept}");
}
