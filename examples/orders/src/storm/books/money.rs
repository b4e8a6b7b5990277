//! What the payment provider has, beside what it should have.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Line;
use super::events::Events;
use crate::money::Currency;
use crate::order::{Order, OrderStatus};
use crate::provider::Ledger;

/// Sums of minor units, for each currency.
type Sums = BTreeMap<Currency, i128>;

/// Every order's payments, in the provider's own book.
#[derive(Debug, Default)]
struct Paid {
    taken: i128,
    refunded: i128,
    payments: u32,
}

/// Orders that have the money are owed it; all others have had all of it back.
fn owed(order: &Order) -> i128 {
    match order.status {
        OrderStatus::Paid
        | OrderStatus::ShipmentRequested
        | OrderStatus::Shipped
        | OrderStatus::Delivered => i128::from(order.total.amount_minor),
        OrderStatus::Pending
        | OrderStatus::PaymentRequested
        | OrderStatus::Cancelled
        | OrderStatus::RefundRequested
        | OrderStatus::Refunded => 0,
    }
}

pub(super) async fn check(events: &Events, ledger: &Ledger) -> anyhow::Result<Line> {
    let mut book: BTreeMap<Uuid, Paid> = BTreeMap::new();
    let (mut taken, mut refunded, mut due) = (Sums::new(), Sums::new(), Sums::new());
    for entry in ledger.entries().await? {
        let paid = book.entry(entry.order_id).or_default();
        let (amount, back) = (
            i128::from(entry.amount.amount_minor),
            i128::from(entry.refunded_minor),
        );
        paid.taken += amount;
        paid.refunded += back;
        paid.payments += 1;
        *taken.entry(entry.amount.currency).or_default() += amount;
        *refunded.entry(entry.amount.currency).or_default() += back;
    }
    let mut wrong = Vec::new();
    for (id, told) in &events.orders {
        let Some(order) = &told.order else {
            continue;
        };
        *due.entry(order.total.currency).or_default() += owed(order);
        let paid = book.remove(id).unwrap_or_default();
        let kept = paid.taken - paid.refunded;
        if kept != owed(order) {
            wrong.push(format!(
                "order {id} is {} and owes {}: the provider took {} and gave back {}",
                order.status.word(),
                owed(order),
                paid.taken,
                paid.refunded
            ));
        }
        if paid.payments > 1 {
            wrong.push(format!("order {id} was charged {} times", paid.payments));
        }
    }
    for (id, paid) in book {
        wrong.push(format!(
            "the provider took {} for order {id}, which is not there",
            paid.taken
        ));
    }
    let mut sums = Vec::new();
    for (currency, taken) in &taken {
        let of = |sums: &Sums| sums.get(currency).copied().unwrap_or_default();
        let (refunded, due) = (of(&refunded), of(&due));
        sums.push(format!(
            "{currency}: {taken} taken = {due} owed + {refunded} given back"
        ));
        if *taken != due + refunded {
            wrong.push(format!(
                "{currency}: {taken} taken is not {due} owed and {refunded} given back"
            ));
        }
    }
    let found = if sums.is_empty() {
        "none was taken".to_owned()
    } else {
        sums.join("; ")
    };
    Ok(Line {
        name: "money",
        found,
        wrong,
    })
}
