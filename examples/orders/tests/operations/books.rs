//! A storm whose books balance, and books that were cooked.

use std::fs;
use std::path::Path;

use sqlx::SqlitePool;

use crate::program::orders;

/// Whether they balance, and what was printed.
fn books(folder: &Path) -> (bool, String) {
    let output = orders()
        .arg("books")
        .arg("--data")
        .arg(folder)
        .output()
        .expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

async fn cook(storm: &Path, file: &str, statement: &'static str) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(storm).expect("the storm's folder") {
        let entry = entry.expect("a file");
        fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a copy");
    }
    let pool = SqlitePool::connect(&format!("sqlite:{}", folder.path().join(file).display()))
        .await
        .expect("the file");
    let done = sqlx::query(statement)
        .execute(&pool)
        .await
        .expect(statement);
    assert_eq!(done.rows_affected(), 1, "{statement}");
    pool.close().await;
    books(folder.path())
}

#[tokio::test]
async fn o4_the_books_balance_after_a_storm_and_cooked_ones_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let storm = folder.path().join("storm");
    let output = orders()
        .args([
            "storm",
            "--embedded",
            "--seed=7",
            "--orders=24",
            "--seconds=4",
            "--keep",
        ])
        .arg(&storm)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{complaint}");
    assert!(said.contains("they balance"), "{said}");
    assert!(said.contains("24 accepted, 24 stored"), "{said}");
    assert!(said.contains("kill -9 the service"), "{said}");
    let (balance, said) = books(&storm);
    assert!(balance, "{said}");

    for (line, file, statement) in [
        (
            "events",
            "orders.db",
            "DELETE FROM events WHERE position = (SELECT MIN(position) FROM events WHERE kind = 'OrderPaid')",
        ),
        (
            "money",
            "payments.db",
            "INSERT INTO charges SELECT randomblob(16), order_id, amount_minor, currency, region, declined \
             FROM charges WHERE declined IS NULL LIMIT 1",
        ),
        (
            "read model",
            "read-model.db",
            "UPDATE orders SET version = version + 1 WHERE order_id = (SELECT MIN(order_id) FROM orders)",
        ),
    ] {
        let (balance, said) = cook(&storm, file, statement).await;
        assert!(!balance, "{statement}: {said}");
        let wrong = said
            .lines()
            .find(|text| text.contains("WRONG") && text.contains(line));
        assert!(wrong.is_some(), "{statement}: {said}");
    }
}
