//! The domain, without a store: given these events, when this is asked for, then these events, or this reason.

use orders::order::{
    CreateOrder, Order, OrderCommand, OrderEvent, OrderItem, OrderStatus, Rejected, SCHEMA_VERSION,
    decide, decode, encode, evolve, fold,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::{create, eur, items};

const ORDER: Uuid = Uuid::from_u128(1);
const USER: Uuid = Uuid::from_u128(2);
const PAYMENT: Uuid = Uuid::from_u128(3);
const SHIPMENT: Uuid = Uuid::from_u128(4);
const REFUND: Uuid = Uuid::from_u128(5);
const OTHER: Uuid = Uuid::from_u128(6);

fn created() -> OrderEvent {
    OrderEvent::OrderCreated {
        order_id: ORDER,
        user_id: USER,
        items: items(),
        total: eur(750),
    }
}

fn payment_requested() -> OrderEvent {
    OrderEvent::PaymentRequested {
        payment_id: PAYMENT,
        amount: eur(750),
    }
}

fn paid() -> OrderEvent {
    OrderEvent::OrderPaid {
        payment_id: PAYMENT,
        amount: eur(750),
        region: "north".to_owned(),
    }
}

fn payment_failed() -> OrderEvent {
    OrderEvent::PaymentFailed {
        payment_id: PAYMENT,
        reason: "no".to_owned(),
    }
}

fn shipment_requested() -> OrderEvent {
    OrderEvent::ShipmentRequested {
        shipment_id: SHIPMENT,
    }
}

fn shipped() -> OrderEvent {
    OrderEvent::OrderShipped {
        shipment_id: SHIPMENT,
        tracking_number: "T1".to_owned(),
    }
}

fn shipment_failed() -> OrderEvent {
    OrderEvent::ShipmentFailed {
        shipment_id: SHIPMENT,
        reason: "no".to_owned(),
    }
}

fn refund_requested() -> OrderEvent {
    OrderEvent::RefundRequested {
        refund_id: REFUND,
        amount: eur(750),
        reason: "no".to_owned(),
    }
}

fn refunded() -> OrderEvent {
    OrderEvent::OrderRefunded {
        refund_id: REFUND,
        amount: eur(750),
    }
}

fn cancelled() -> OrderEvent {
    OrderEvent::OrderCancelled {
        reason: "no".to_owned(),
    }
}

/// The events that lead to a status.
fn given(status: OrderStatus) -> Vec<OrderEvent> {
    let mut events = vec![created()];
    events.extend(match status {
        OrderStatus::Pending => vec![],
        OrderStatus::PaymentRequested => vec![payment_requested()],
        OrderStatus::Paid => vec![payment_requested(), paid()],
        OrderStatus::ShipmentRequested => vec![payment_requested(), paid(), shipment_requested()],
        OrderStatus::Shipped => {
            vec![payment_requested(), paid(), shipment_requested(), shipped()]
        }
        OrderStatus::Delivered => vec![
            payment_requested(),
            paid(),
            shipment_requested(),
            shipped(),
            OrderEvent::OrderDelivered {},
        ],
        OrderStatus::Cancelled => vec![cancelled()],
        OrderStatus::RefundRequested => vec![payment_requested(), paid(), refund_requested()],
        OrderStatus::Refunded => {
            vec![payment_requested(), paid(), refund_requested(), refunded()]
        }
    });
    events
}

const STATUSES: [OrderStatus; 9] = [
    OrderStatus::Pending,
    OrderStatus::PaymentRequested,
    OrderStatus::Paid,
    OrderStatus::ShipmentRequested,
    OrderStatus::Shipped,
    OrderStatus::Delivered,
    OrderStatus::Cancelled,
    OrderStatus::RefundRequested,
    OrderStatus::Refunded,
];

/// Every command, with the ids that the order knows.
fn commands() -> Vec<OrderCommand> {
    vec![
        create(ORDER, USER),
        OrderCommand::PayOrder {
            payment_id: PAYMENT,
        },
        OrderCommand::ConfirmPayment {
            payment_id: PAYMENT,
            region: "north".to_owned(),
        },
        OrderCommand::FailPayment {
            payment_id: PAYMENT,
            reason: "no".to_owned(),
        },
        OrderCommand::ShipOrder {
            shipment_id: SHIPMENT,
        },
        OrderCommand::ConfirmShipment {
            shipment_id: SHIPMENT,
            tracking_number: "T1".to_owned(),
        },
        OrderCommand::FailShipment {
            shipment_id: SHIPMENT,
            reason: "no".to_owned(),
            refund_id: REFUND,
        },
        OrderCommand::DeliverOrder,
        OrderCommand::CancelOrder {
            reason: "no".to_owned(),
            refund_id: REFUND,
        },
        OrderCommand::RefundOrder {
            reason: "no".to_owned(),
            refund_id: REFUND,
        },
        OrderCommand::ConfirmRefund { refund_id: REFUND },
    ]
}

fn decided(events: &[OrderEvent], command: &OrderCommand) -> Result<Vec<OrderEvent>, Rejected> {
    let order = fold(None, events).expect("these events make an order");
    decide(order.as_ref(), command)
}

/// All of it: a row for each command, a column for each status. `!` wrong status, `=` nothing new, else the events.
#[test]
fn every_command_in_every_status() {
    const TABLE: &str = "
                      pending payment_requested paid shipment_requested shipped delivered cancelled refund_requested refunded
        create               E E E E E E E E E
        pay                  PaymentRequested ! ! ! ! ! ! ! !
        confirm_payment      ! OrderPaid = = = = ! = =
        fail_payment         ! PaymentFailed ! ! ! ! ! ! !
        ship                 ! ! ShipmentRequested ! ! ! ! ! !
        confirm_shipment     ! ! ! OrderShipped = = ! ! !
        fail_shipment        ! ! ! ShipmentFailed+RefundRequested ! ! ! ! !
        deliver              ! ! ! ! OrderDelivered ! ! ! !
        cancel               OrderCancelled ! RefundRequested ! ! ! ! ! !
        refund               ! ! RefundRequested ! ! ! ! ! !
        confirm_refund       ! ! ! ! ! ! ! OrderRefunded =
    ";
    let mut rows = TABLE.lines().map(str::trim).filter(|row| !row.is_empty());
    let heads: Vec<&str> = rows.next().unwrap().split_whitespace().collect();
    assert_eq!(heads, STATUSES.map(OrderStatus::word));
    let mut count = 0;
    for (command, row) in commands().iter().zip(rows) {
        let mut cells = row.split_whitespace();
        assert_eq!(cells.next().unwrap(), command.name().replace(' ', "_"));
        for (status, expected) in STATUSES.into_iter().zip(cells) {
            let found = match decided(&given(status), command) {
                Ok(events) if events.is_empty() => "=".to_owned(),
                Ok(events) => {
                    let kinds: Vec<_> = events.iter().map(OrderEvent::kind).collect();
                    kinds.join("+")
                }
                Err(Rejected::Exists) => "E".to_owned(),
                Err(Rejected::WrongStatus {
                    command: name,
                    status: found,
                }) => {
                    assert_eq!((name, found), (command.name(), status));
                    "!".to_owned()
                }
                Err(other) => other.to_string(),
            };
            assert_eq!(found, expected, "{} when {}", command.name(), status.word());
            count += 1;
        }
    }
    assert_eq!(count, 11 * 9);
    for command in &commands()[1..] {
        assert_eq!(decided(&[], command), Err(Rejected::NotFound));
    }
    assert_eq!(decided(&[], &commands()[0]), Ok(vec![created()]));
}

/// The values, not only the kinds.
#[test]
fn given_when_then() {
    let then = |status, command: usize, expected: &[OrderEvent]| {
        let found = decided(&given(status), &commands()[command]);
        assert_eq!(found.as_deref(), Ok(expected));
    };
    then(OrderStatus::Pending, 1, &[payment_requested()]);
    then(OrderStatus::PaymentRequested, 2, &[paid()]);
    then(OrderStatus::PaymentRequested, 3, &[payment_failed()]);
    then(OrderStatus::Paid, 4, &[shipment_requested()]);
    then(OrderStatus::ShipmentRequested, 5, &[shipped()]);
    let failed = [shipment_failed(), refund_requested()];
    then(OrderStatus::ShipmentRequested, 6, &failed);
    then(OrderStatus::Pending, 8, &[cancelled()]);
    then(OrderStatus::Paid, 8, &[refund_requested()]);
    then(OrderStatus::RefundRequested, 10, &[refunded()]);
}

#[test]
fn an_outcome_of_something_that_was_not_asked_for_changes_nothing() {
    for status in STATUSES {
        for command in [
            OrderCommand::ConfirmPayment {
                payment_id: OTHER,
                region: "north".to_owned(),
            },
            OrderCommand::FailPayment {
                payment_id: OTHER,
                reason: "no".to_owned(),
            },
            OrderCommand::ConfirmShipment {
                shipment_id: OTHER,
                tracking_number: "T1".to_owned(),
            },
            OrderCommand::FailShipment {
                shipment_id: OTHER,
                reason: "no".to_owned(),
                refund_id: REFUND,
            },
            OrderCommand::ConfirmRefund { refund_id: OTHER },
        ] {
            let found = decided(&given(status), &command);
            assert!(
                matches!(found, Err(Rejected::WrongStatus { .. })),
                "{command:?} when {status:?}: {found:?}"
            );
        }
    }
    // Refused once, an order is paid under a new id; the old one's late success must not count for it.
    let mut events = given(OrderStatus::PaymentRequested);
    events.push(payment_failed());
    events.push(OrderEvent::PaymentRequested {
        payment_id: OTHER,
        amount: eur(750),
    });
    assert!(decided(&events, &commands()[2]).is_err());
}

#[test]
fn what_makes_no_order_is_named() {
    let item = |sku: &str, quantity, price| OrderItem {
        sku: sku.to_owned(),
        quantity,
        unit_price: eur(price),
    };
    let yen = OrderItem {
        unit_price: orders::money::Money::new(1, orders::money::Currency::Jpy),
        ..item("a", 1, 1)
    };
    for (items, field) in [
        (vec![], "items"),
        (vec![item("a", 1, 1); 1_001], "items"),
        (vec![item("", 1, 1)], "items.sku"),
        (vec![item(&"a".repeat(65), 1, 1)], "items.sku"),
        (vec![item("a\0b", 1, 1)], "items.sku"),
        (vec![item("a", 0, 1)], "items.quantity"),
        (vec![item("a", 1, -1)], "items.unit_price.amount_minor"),
        (vec![item("a", 2, i64::MAX)], "items.unit_price"),
        (
            vec![item("a", 1, i64::MAX), item("b", 1, 1)],
            "items.unit_price",
        ),
        (vec![item("a", 1, 1), yen], "items.unit_price"),
    ] {
        let command = OrderCommand::CreateOrder(CreateOrder {
            order_id: ORDER,
            user_id: USER,
            items,
        });
        match decide(None, &command) {
            Err(Rejected::Invalid { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    let most = OrderCommand::CreateOrder(CreateOrder {
        order_id: ORDER,
        user_id: USER,
        items: vec![item(&"a".repeat(64), 1, 0); 1_000],
    });
    assert!(decide(None, &most).is_ok());
}

/// A command on the way, with an id that is known or not.
fn any_command() -> impl Strategy<Value = OrderCommand> {
    let id = prop_oneof![4 => 3_u128..6, 1 => 6_u128..9].prop_map(Uuid::from_u128);
    (0..11_usize, id, ".{0,9}").prop_map(|(which, id, text)| match which {
        0 => create(id, USER),
        1 => OrderCommand::PayOrder { payment_id: id },
        2 => OrderCommand::ConfirmPayment {
            payment_id: id,
            region: text,
        },
        3 => OrderCommand::FailPayment {
            payment_id: id,
            reason: text,
        },
        4 => OrderCommand::ShipOrder { shipment_id: id },
        5 => OrderCommand::ConfirmShipment {
            shipment_id: id,
            tracking_number: text,
        },
        6 => OrderCommand::FailShipment {
            shipment_id: id,
            reason: text,
            refund_id: id,
        },
        7 => OrderCommand::DeliverOrder,
        8 => OrderCommand::CancelOrder {
            reason: text,
            refund_id: id,
        },
        9 => OrderCommand::RefundOrder {
            reason: text,
            refund_id: id,
        },
        _ => OrderCommand::ConfirmRefund { refund_id: id },
    })
}

proptest! {
    /// The state is the fold of what was decided, however it is cut; what is stored reads as what was decided.
    #[test]
    fn the_state_is_the_fold_of_the_events(commands in prop::collection::vec(any_command(), 1..120)) {
        let mut order: Option<Order> = None;
        let mut events = Vec::new();
        let mut taken = 0;
        for command in std::iter::once(create(ORDER, USER)).chain(commands) {
            let Ok(new) = decide(order.as_ref(), &command) else { continue };
            for event in &new {
                order = Some(evolve(order, event).unwrap());
                match event {
                    OrderEvent::OrderPaid { amount, .. } => taken += amount.amount_minor,
                    OrderEvent::OrderRefunded { amount, .. } => taken -= amount.amount_minor,
                    _ => {}
                }
                let read = decode(event.kind(), SCHEMA_VERSION, &encode(event)).unwrap();
                prop_assert_eq!(&read, event);
            }
            events.extend(new);
            let order = order.as_ref().unwrap();
            prop_assert_eq!(order.version, events.len() as u64);
            // Money is here exactly while the order says so.
            let owed = match order.status {
                OrderStatus::Pending | OrderStatus::PaymentRequested
                | OrderStatus::Cancelled | OrderStatus::Refunded => 0,
                _ => order.total.amount_minor,
            };
            prop_assert_eq!(taken, owed);
            if order.status.is_end() {
                for command in [commands_of_clients(), confirmations(order)].concat() {
                    prop_assert!(decide(Some(order), &command).unwrap_or_default().is_empty());
                }
            }
        }
        for cut in 0..=events.len() {
            let first = fold(None, &events[..cut]).unwrap();
            prop_assert_eq!(&fold(first, &events[cut..]).unwrap(), &order);
        }
        // Saved and read, it is the same.
        let saved = serde_json::to_value(&order).unwrap();
        prop_assert_eq!(serde_json::from_value::<Option<Order>>(saved).unwrap(), order);
    }
}

fn commands_of_clients() -> Vec<OrderCommand> {
    let mut all = commands();
    all.retain(|command| !matches!(command, OrderCommand::CreateOrder(_)));
    all
}

/// Late ones, of what the order did ask for.
fn confirmations(order: &Order) -> Vec<OrderCommand> {
    let payment = order
        .payment
        .as_ref()
        .map(|payment| OrderCommand::ConfirmPayment {
            payment_id: payment.payment_id,
            region: String::new(),
        });
    let shipment = order
        .shipment_id
        .map(|shipment_id| OrderCommand::ConfirmShipment {
            shipment_id,
            tracking_number: String::new(),
        });
    let refund = order
        .refund_id
        .map(|refund_id| OrderCommand::ConfirmRefund { refund_id });
    payment.into_iter().chain(shipment).chain(refund).collect()
}
