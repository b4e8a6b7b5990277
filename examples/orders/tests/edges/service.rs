//! The whole service in this process, over real sockets: gateway, command and query service, and the providers behind them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use orders::auth::{NewToken, Scope, Tokens, authenticated};
use orders::command::{CommandHandler, CommandService, routes};
use orders::context::in_context;
use orders::edge::Endpoint;
use orders::gateway::{Gateway, GatewaySettings};
use orders::payment::{PaymentEdge, PaymentSettings};
use orders::projection::{
    LagMeter, ProjectionOptions, ReadModelOptions, ReadModelProjection, open_read_model,
};
use orders::provider::Ledger;
use orders::query::{QueryOptions, QueryService};
use orders::shipping::{ShippingEdge, ShippingSettings};
use orders::store::{Database, EventStore, SqliteEventStore};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::place::{Server, ledger};

pub struct World {
    pub gateway: Server,
    pub command: Server,
    pub query: Server,
    projection: ReadModelProjection,
    pub alice: Uuid,
    /// A name and a token for each column of the matrix.
    pub tokens: Vec<(&'static str, Option<String>)>,
    pub near: Server,
    pub carrier: Server,
    pub ledger: Ledger,
    _folders: Vec<TempDir>,
}

impl World {
    pub async fn new() -> Self {
        let (folder, ledger) = ledger().await;
        let near = Server::payment(&ledger, "near").await;
        let carrier = Server::carrier(&ledger, "swift").await;
        let events = tempfile::tempdir().unwrap();
        let file = |name: &str| format!("sqlite:{}", events.path().join(name).display());
        let database = Database::open(&file("events.db"), 4).unwrap();
        database.migrate().await.unwrap();
        let Database::Sqlite { writer, reader } = database else {
            panic!("a file was asked for");
        };
        let store: Arc<dyn EventStore> = Arc::new(SqliteEventStore::new(writer, reader));
        let model = open_read_model(&file("read.db"), ReadModelOptions::default()).unwrap();
        model.migrate().await.unwrap();
        let projection = ReadModelProjection::new(
            Arc::clone(&store),
            Arc::clone(&model),
            ProjectionOptions::default(),
        );
        projection.catch_up().await.unwrap();

        let (alice, bob) = (Uuid::new_v4(), Uuid::new_v4());
        let customer = [Scope::OrdersRead, Scope::OrdersWrite];
        let made = [
            NewToken::random("alice", Some(alice), customer),
            NewToken::random("bob", Some(bob), customer),
            NewToken::random("clerk", None, [Scope::OrdersFulfil, Scope::OrdersReadAll]),
            NewToken::random("reader", Some(alice), [Scope::OrdersRead]),
            NewToken::random("writer", Some(alice), [Scope::OrdersWrite]),
            NewToken::random("no scope", Some(alice), []),
        ];
        let tokens = Arc::new(Tokens::parse(&Tokens::file_text(&made)).unwrap());
        // No fault of a test is to open a breaker, and none takes long.
        let mut payments = PaymentSettings::new(vec![Endpoint::new("near", &near.url)]);
        payments.breaker.minimum_requests = 1_000;
        payments.attempt_timeout = Duration::from_millis(700);
        payments.timeout = Duration::from_millis(1_500);
        let mut shipping = ShippingSettings::new(vec![Endpoint::new("swift", &carrier.url)]);
        shipping.breaker.minimum_requests = 1_000;
        shipping.attempt_timeout = Duration::from_millis(700);
        shipping.timeout = Duration::from_millis(1_500);
        let handler = CommandHandler::new(
            CommandService::new(Arc::clone(&store)),
            Arc::new(PaymentEdge::new(payments).unwrap()),
            Arc::new(ShippingEdge::new(&shipping).unwrap()),
            Duration::from_secs(20),
        );
        let guarded = |router: Router| in_context(authenticated(router, Arc::clone(&tokens)));
        let command = Server::start(guarded(routes(handler))).await;
        let meter = Arc::new(LagMeter::new(Arc::clone(&store), Arc::clone(&model)));
        let queries = QueryService::new(model, meter, QueryOptions::default()).unwrap();
        let query = Server::start(guarded(Arc::new(queries).routes())).await;
        let settings = GatewaySettings {
            requests_per_second: 10_000,
            burst: 10_000,
            ..GatewaySettings::new(
                Endpoint::new("command", &command.url),
                Endpoint::new("query", &query.url),
            )
        };
        let gateway = Gateway::new(&settings, tokens, None).unwrap();
        let columns = made.map(|new| {
            let names = ["alice", "bob", "clerk", "reader", "writer", "no scope"];
            let name = names.into_iter().find(|name| *name == new.identity.subject);
            (name.unwrap(), Some(new.token))
        });
        let strangers = [("nobody", None), ("unknown", Some("0f".repeat(32)))];
        Self {
            gateway: Server::gateway(&gateway).await,
            command,
            query,
            projection,
            alice,
            tokens: strangers.into_iter().chain(columns).collect(),
            near,
            carrier,
            ledger,
            _folders: vec![folder, events],
        }
    }

    pub fn token(&self, name: &str) -> &str {
        let found = self.tokens.iter().find(|(known, _)| *known == name);
        found.unwrap().1.as_deref().unwrap()
    }

    /// A new order of alice's, that the read side knows.
    pub async fn order(&self) -> Uuid {
        let item = json!({
            "sku": "tea", "quantity": 1, "unit_price": { "amount_minor": 990, "currency": "EUR" },
        });
        let request = Client::new().post(format!("{}/orders", self.gateway.url));
        let request = request.bearer_auth(self.token("alice"));
        let answer = request.json(&json!({ "items": [item] })).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 201);
        let body: Value = answer.json().await.unwrap();
        self.projection.catch_up().await.unwrap();
        body["order"]["order_id"].as_str().unwrap().parse().unwrap()
    }
}
