//! Every metric of the lane: its name, unit and what it says. The only file that names them.

use fuseboard::telemetry::LaneMetric;

macro_rules! metrics {
    ($($kind:ident $constant:ident = $name:literal, $unit:literal, $about:literal $(, shown as $label:literal)?;)+) => {
        $(pub(in crate::observe) static $constant: LaneMetric = LaneMetric::$kind($name, $unit, $about)$(.label($label))?;)+
        /// Every metric of the lane.
        pub static METRICS: &[&LaneMetric] = &[$(&$constant),+];
    };
}

metrics! {
    gauge HEAD = "orders.eventstore.head.position", "{event}", "The last position given out", shown as "head";
    gauge SAFE = "orders.eventstore.safe.position", "{event}", "The last position up to which nothing new can appear", shown as "safe";
    gauge OLDEST_TRANSACTION_AGE = "orders.eventstore.oldest_tx.age", "s", "How long the oldest transaction that writes has been under way";
    gauge SILENCE = "orders.eventstore.silence", "s", "Time since the event store last answered";
    counter APPENDS = "orders.eventstore.appends", "{append}", "Appends that were stored";
    counter EVENTS = "orders.eventstore.events", "{event}", "Events in them", shown as "events stored";
    counter CONFLICTS = "orders.eventstore.conflicts", "{append}", "Appends that came too late: another one was first";
    counter UNAVAILABLE = "orders.eventstore.unavailable", "{call}", "Calls that nothing is known about, or that a policy kept away", shown as "store calls lost";
    gauge OUTBOX_POSITION = "orders.outbox.position", "{event}", "The last position on the bus", shown as "published";
    counter PUBLISHED = "orders.outbox.published", "{event}", "Events that this process published";
    gauge OUTBOX_LAG = "orders.outbox.lag.events", "{event}", "Events in the store that are not on the bus, at most", shown as "outbox behind";
    gauge OUTBOX_AGE = "orders.outbox.oldest.age", "s", "How long the oldest of them has been waiting", shown as "outbox late";
    counter OUTBOX_FAILURES = "orders.outbox.failures", "{round}", "Rounds of the relay that failed";
    gauge OUTBOX_HEARTBEAT_AGE = "orders.outbox.heartbeat.age", "s", "How long ago the relay last looked with success";
    gauge PENDING = "orders.bus.pending", "{event}", "Events handed to a consumer and not acknowledged", shown as "pending";
    gauge OLDEST_PENDING_AGE = "orders.bus.oldest_pending.age", "s", "The age of the oldest of them";
    gauge PARKED = "orders.bus.parked", "{event}", "Events put aside because nobody could handle them", shown as "parked";
    gauge POSITION = "orders.projection.position", "{event}", "The position up to which the read model is made", shown as "read model";
    gauge LAG = "orders.projection.lag.events", "{event}", "Positions from there to the head", shown as "read model behind";
    gauge LAG_TIME = "orders.projection.lag.time", "s", "How long the oldest event that is not in the read model has been waiting", shown as "read model late";
    gauge HEARTBEAT_AGE = "orders.projection.heartbeat.age", "s", "How long ago the projection was last at work";
    gauge HELD = "orders.projection.parked", "{event}", "Events that the read model has put aside", shown as "held back";
    counter PROJECTED = "orders.projection.events", "{event}", "Events of the projection, by what came of them";
    counter COMMANDS = "orders.commands", "{command}", "Commands, by what came of them", shown as "commands";
    counter SNAPSHOTS = "orders.snapshots", "{snapshot}", "Snapshots, saved and forgotten because they could not be read";
    counter FORGOTTEN = "orders.command_results.forgotten", "{answer}", "Answers of commands that had been kept long enough";
    counter QUERIES = "orders.queries", "{query}", "Questions to the read side, by what came of them";
    counter PAYMENTS = "orders.payments", "{payment}", "Charges and refunds, by what came of them", shown as "payments";
    counter PAYMENT_REQUESTS = "orders.payment.requests", "{request}", "Requests sent to regions of the payment provider: with retries, hedges and failover";
    counter SHIPMENTS = "orders.shipments", "{shipment}", "Parcels asked for, by what came of them", shown as "shipments";
    counter FULFILMENTS = "orders.fulfilments", "{order}", "Orders taken up whose payment, parcel or refund nobody had finished, by what came of it";
    gauge UNFINISHED = "orders.fulfilment.planned", "{order}", "Orders that wait for their payment, parcel or refund to be known", shown as "unfinished";
    gauge STUCK = "orders.fulfilment.stuck", "{order}", "Of these, orders put off ten times and more: somebody should look at them", shown as "stuck";
    counter REFUSALS = "orders.gateway.refusals", "{request}", "Requests that the gateway answered itself, by why";
    counter REQUESTS = "orders.http.requests", "{request}", "Requests answered, by the class of the status";
    counter REQUEST_TIME = "orders.http.request.time", "s", "Time spent on them";
}
