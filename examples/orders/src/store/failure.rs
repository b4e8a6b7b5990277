//! What a database's error means.

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::PgDatabaseError;

use super::event::StoreError;

/// The error for whoever asked. What breaks a rule of the tables is [`violated`]'s business.
pub fn store_error(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) if is_transient(error.as_ref()) => {
            StoreError::Unavailable(error.to_string())
        }
        error @ (sqlx::Error::Database(_)
        | sqlx::Error::RowNotFound
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)) => StoreError::Corrupt(error.to_string()),
        error => StoreError::Unavailable(error.to_string()),
    }
}

/// A rule of the tables that an append can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violated {
    /// Another append was first.
    Version,
    /// The key of a command has been used.
    Key,
}

/// Which rule an error tells of.
pub fn violated(error: &sqlx::Error) -> Option<Violated> {
    let error = error.as_database_error()?;
    // Of two who would wait for each other, one is sent away; it has lost as in any other race.
    if matches!(error.code().as_deref(), Some("40001" | "40P01")) {
        return Some(Violated::Version);
    }
    if error.kind() != ErrorKind::UniqueViolation {
        return None;
    }
    // PostgreSQL names the rule, SQLite the column.
    let rule = error.constraint().unwrap_or_else(|| error.message());
    if rule.contains("command_results") {
        Some(Violated::Key)
    } else if rule.contains("version") || rule.contains("streams") {
        Some(Violated::Version)
    } else {
        None
    }
}

/// Whether it may work when asked again: the server is full, starting, stopping or was too slow, or a file was held by another.
fn is_transient(error: &dyn DatabaseError) -> bool {
    let code = error.code();
    let code = code.as_deref().unwrap_or_default();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        // 08 connection, 25 (also: read-only while it fails over), 53 resources, 55 lock timeout, 57 shutdown or statement timeout, 58 disk.
        return ["08", "25", "53", "55", "57", "58", "40"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    // The low byte of SQLite's codes: busy, locked, interrupted, disk error, full, cannot open.
    matches!(
        code.parse::<u32>().map(|code| code & 0xff),
        Ok(5 | 6 | 9 | 10 | 13 | 14)
    )
}
