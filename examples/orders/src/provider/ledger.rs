//! The book of a provider: a `SQLite` file in WAL mode that several processes write, where whatever was answered stands, also after a
//! `kill -9`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use uuid::Uuid;

use crate::money::{Currency, Money};

/// How long anybody waits for another process's write.
const PATIENCE: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS charges (
    payment_id BLOB PRIMARY KEY,
    order_id BLOB NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    region TEXT NOT NULL,
    declined TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS refunds (
    refund_id BLOB PRIMARY KEY,
    payment_id BLOB NOT NULL REFERENCES charges,
    amount_minor INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS refunds_of ON refunds (payment_id);
CREATE TABLE IF NOT EXISTS shipments (
    shipment_id BLOB PRIMARY KEY,
    order_id BLOB NOT NULL,
    carrier TEXT NOT NULL,
    tracking_number TEXT,
    refused TEXT
) STRICT;
";

/// A provider's book. A clone is another handle.
#[derive(Debug, Clone)]
pub struct Ledger {
    pool: SqlitePool,
}

/// Why the book was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database's reason.
    #[error("the ledger: {0}")]
    Store(#[from] sqlx::Error),
    /// The id stands there for something else.
    #[error("this id stands for another {0} already: send a new one")]
    Taken(&'static str),
    /// There is no such payment, or not so much of it is left.
    #[error("there is no payment of which so much could be given back")]
    NothingToRefund,
}

/// What stands of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// The money was taken.
    Taken {
        /// Where.
        region: String,
    },
    /// It will never be.
    Declined {
        /// Why.
        reason: String,
    },
}

/// One payment whose money was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its id.
    pub payment_id: Uuid,
    /// For which order.
    pub order_id: Uuid,
    /// How much.
    pub amount: Money,
    /// By which region.
    pub region: String,
    /// How much of it was given back, in minor units.
    pub refunded_minor: i64,
}

/// The book's sums.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// Payments taken.
    pub charges: u64,
    /// Payments declined.
    pub declined: u64,
    /// Money taken, in minor units.
    pub taken_minor: BTreeMap<Currency, i64>,
    /// Money given back, in minor units.
    pub refunded_minor: BTreeMap<Currency, i64>,
    /// Orders for which more than one payment was taken: there must be none.
    pub charged_twice: Vec<Uuid>,
    /// Parcels.
    pub shipments: u64,
}

impl Ledger {
    /// The book in a file, made where there is none.
    ///
    /// # Errors
    /// The file cannot be opened or is no such book.
    pub async fn open(path: &Path) -> Result<Self, LedgerError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An answer stands only when the disk has it.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self { pool })
    }

    /// Takes a payment, or says what became of it before. `declined`: why it is not to be taken.
    ///
    /// # Errors
    /// [`LedgerError::Taken`] where the id stands for another order or amount.
    pub async fn charge(
        &self,
        payment_id: Uuid,
        order_id: Uuid,
        amount: Money,
        region: &str,
        declined: Option<&str>,
    ) -> Result<Charge, LedgerError> {
        // One statement: whichever process comes second finds the first one's row.
        sqlx::query(
            "INSERT INTO charges (payment_id, order_id, amount_minor, currency, region, declined)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (payment_id) DO NOTHING",
        )
        .bind(payment_id)
        .bind(order_id)
        .bind(amount.amount_minor)
        .bind(amount.currency.code())
        .bind(region)
        .bind(declined)
        .execute(&self.pool)
        .await?;
        let row = sqlx::query(
            "SELECT order_id, amount_minor, currency, region, declined FROM charges WHERE payment_id = ?",
        )
        .bind(payment_id)
        .fetch_one(&self.pool)
        .await?;
        if row.try_get::<Uuid, _>("order_id")? != order_id || money(&row)? != amount {
            return Err(LedgerError::Taken("payment"));
        }
        Ok(match row.try_get("declined")? {
            Some(reason) => Charge::Declined { reason },
            None => Charge::Taken {
                region: row.try_get("region")?,
            },
        })
    }

    /// Gives money back, once for each id.
    ///
    /// # Errors
    /// [`LedgerError::NothingToRefund`] where so much was not taken, or has been given back.
    pub async fn refund(
        &self,
        refund_id: Uuid,
        payment_id: Uuid,
        amount: Money,
    ) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO refunds (refund_id, payment_id, amount_minor)
             SELECT ?1, ?2, ?3 FROM charges
             WHERE payment_id = ?2 AND declined IS NULL AND currency = ?4 AND amount_minor >=
                 ?3 + (SELECT COALESCE(SUM(amount_minor), 0) FROM refunds WHERE payment_id = ?2)
             ON CONFLICT (refund_id) DO NOTHING",
        )
        .bind(refund_id)
        .bind(payment_id)
        .bind(amount.amount_minor)
        .bind(amount.currency.code())
        .execute(&self.pool)
        .await?;
        let row = sqlx::query("SELECT payment_id, amount_minor FROM refunds WHERE refund_id = ?")
            .bind(refund_id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(LedgerError::NothingToRefund)?;
        let is_same = row.try_get::<Uuid, _>("payment_id")? == payment_id
            && row.try_get::<i64, _>("amount_minor")? == amount.amount_minor;
        if is_same {
            Ok(())
        } else {
            Err(LedgerError::Taken("refund"))
        }
    }

    /// Takes a parcel, or says what became of it before: its tracking number, or why no carrier takes it.
    ///
    /// # Errors
    /// [`LedgerError::Taken`] where the id stands for another order.
    pub async fn ship(
        &self,
        shipment_id: Uuid,
        order_id: Uuid,
        carrier: &str,
        refused: Option<&str>,
    ) -> Result<Result<String, String>, LedgerError> {
        let number = tracking_number(shipment_id, carrier);
        sqlx::query(
            "INSERT INTO shipments (shipment_id, order_id, carrier, tracking_number, refused)
             VALUES (?, ?, ?, ?, ?) ON CONFLICT (shipment_id) DO NOTHING",
        )
        .bind(shipment_id)
        .bind(order_id)
        .bind(carrier)
        .bind(refused.is_none().then_some(number))
        .bind(refused)
        .execute(&self.pool)
        .await?;
        let row = sqlx::query(
            "SELECT order_id, tracking_number, refused FROM shipments WHERE shipment_id = ?",
        )
        .bind(shipment_id)
        .fetch_one(&self.pool)
        .await?;
        if row.try_get::<Uuid, _>("order_id")? != order_id {
            return Err(LedgerError::Taken("shipment"));
        }
        Ok(match row.try_get("refused")? {
            Some(reason) => Err(reason),
            None => Ok(row.try_get("tracking_number")?),
        })
    }

    /// Every payment whose money was taken.
    ///
    /// # Errors
    /// The book cannot be read.
    pub async fn entries(&self) -> Result<Vec<LedgerEntry>, LedgerError> {
        let rows = sqlx::query(
            "SELECT payment_id, order_id, amount_minor, currency, region,
                 (SELECT COALESCE(SUM(amount_minor), 0) FROM refunds
                  WHERE refunds.payment_id = charges.payment_id) AS refunded
             FROM charges WHERE declined IS NULL ORDER BY rowid",
        )
        .fetch_all(&self.pool)
        .await?;
        let entry = |row: &SqliteRow| {
            Ok(LedgerEntry {
                payment_id: row.try_get("payment_id")?,
                order_id: row.try_get("order_id")?,
                amount: money(row)?,
                region: row.try_get("region")?,
                refunded_minor: row.try_get("refunded")?,
            })
        };
        rows.iter().map(entry).collect()
    }

    /// The book's sums.
    ///
    /// # Errors
    /// The book cannot be read.
    pub async fn books(&self) -> Result<Books, LedgerError> {
        let mut books = Books::default();
        let mut payments: BTreeMap<Uuid, u32> = BTreeMap::new();
        for entry in self.entries().await? {
            let Money {
                amount_minor,
                currency,
            } = entry.amount;
            books.charges += 1;
            *books.taken_minor.entry(currency).or_default() += amount_minor;
            if entry.refunded_minor > 0 {
                *books.refunded_minor.entry(currency).or_default() += entry.refunded_minor;
            }
            *payments.entry(entry.order_id).or_default() += 1;
        }
        let twice = payments.into_iter().filter(|(_, count)| *count > 1);
        books.charged_twice = twice.map(|(order_id, _)| order_id).collect();
        let counts = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM charges WHERE declined IS NOT NULL) AS declined,
                 (SELECT COUNT(*) FROM shipments WHERE refused IS NULL) AS shipments",
        )
        .fetch_one(&self.pool)
        .await?;
        books.declined = counts.try_get::<i64, _>("declined")?.unsigned_abs();
        books.shipments = counts.try_get::<i64, _>("shipments")?.unsigned_abs();
        Ok(books)
    }
}

fn money(row: &SqliteRow) -> Result<Money, sqlx::Error> {
    let code: String = row.try_get("currency")?;
    let currency: Currency = serde_json::from_value(Value::String(code))
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Money::new(row.try_get("amount_minor")?, currency))
}

/// The same for the same parcel, whenever it is asked for.
fn tracking_number(shipment_id: Uuid, carrier: &str) -> String {
    let letters = carrier.chars().filter(char::is_ascii_alphanumeric).take(4);
    let prefix = letters.collect::<String>().to_ascii_uppercase();
    let (high, low) = shipment_id.as_u64_pair();
    format!("{prefix}-{:016X}", high ^ low)
}
