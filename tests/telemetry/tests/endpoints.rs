//! Prometheus, health, the JSON, the stream and the controls, as programs see them; `dashboard.rs` shows them as people do.

use fuseboard::telemetry::{Endpoints, Health, METRICS, Registry};
use fuseboard::{Board, CircuitBreaker, CircuitBreakerConfig, CircuitState};
use fuseboard_telemetry::Server;
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, SystemTime};

const TOKEN: &str = "correct horse battery staple";

fn breaker(registry: &Registry, name: &str) -> CircuitBreaker {
    let breaker = CircuitBreaker::new(name, CircuitBreakerConfig::default());
    registry.add_breaker(&breaker);
    breaker
}

fn get(server: &Server, path: &str) -> Response {
    let url = format!("{}{path}", server.url());
    Client::new().get(url).send().expect("it answers")
}

fn snapshot(server: &Server) -> Value {
    let text = get(server, "/snapshot").text().expect("a body");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn o1_prometheus_reads_what_the_breaker_counted() {
    let registry = Registry::new();
    let payments = breaker(&registry, "pay\"ments\\\n");
    payments.try_acquire().expect("closed").failure();
    let server = Server::start(Endpoints::new(&registry).router());
    let answer = get(&server, "/metrics");
    let kind = answer.headers()["content-type"].to_str().expect("text");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().expect("a body");
    let line = r#"fuseboard_calls_total{fuseboard_name="pay\"ments\\\n",outcome="failure"} 1"#;
    assert!(text.lines().any(|own| own == line), "{text}");
    for metric in METRICS
        .iter()
        .filter(|metric| metric.name.contains("circuit_breaker"))
    {
        let helped = text.contains(&format!("# HELP {} ", metric.prometheus_name()));
        // Nothing has changed yet, so there is no series of changes.
        assert_eq!(
            helped,
            !metric.name.ends_with("transitions"),
            "{}",
            metric.name
        );
    }
}

#[test]
fn o2_a_breaker_that_is_open_does_not_make_the_service_unready() {
    let (registry, health) = (Registry::new(), Health::starting());
    let payments = breaker(&registry, "payments");
    let server = Server::start(Endpoints::new(&registry).health(&health).router());
    let status = |path: &str| get(&server, path).status().as_u16();
    let all = || ["/livez", "/startupz", "/readyz", "/ready", "/health"].map(status);
    assert_eq!(all(), [200, 503, 503, 503, 200], "starting");
    health.set_started();
    payments.force_open();
    assert_eq!(all(), [200; 5], "started, and a dependency fails");
    let told = get(&server, "/health").text().expect("a body");
    assert!(told.contains(r#""payments":"forced_open""#), "{told}");

    health.add_check("database", || Err("no connection".to_owned()));
    assert_eq!(
        all(),
        [200, 200, 503, 503, 200],
        "what it cannot do without"
    );
    let told = get(&server, "/readyz").text().expect("a body");
    assert!(told.contains(r#""database":"no connection""#), "{told}");
    health.set_draining();
    assert_eq!(
        status("/livez"),
        200,
        "it ends, and is not to be killed for it"
    );
}

#[test]
fn o3_the_page_needs_nothing_from_outside() {
    let registry = Registry::new();
    let server = Server::start(Endpoints::new(&registry).title("a <shop>").router());
    let policy = |answer: &Response| {
        let policy = answer.headers()["content-security-policy"].to_str();
        policy.expect("text").to_owned()
    };
    let (one, other) = (get(&server, "/"), get(&server, "/"));
    assert_ne!(policy(&one), policy(&other), "a nonce is used once");
    assert!(policy(&one).starts_with("default-src 'none'; script-src 'nonce-"));
    assert!(!policy(&one).contains("unsafe"), "{}", policy(&one));
    let page = one.text().expect("a body");
    assert!(page.len() < 60_000, "{} bytes", page.len());
    assert!(page.contains("<title>a &lt;shop></title>"));
    let without_names = page.replace("http://www.w3.org/", "");
    assert!(!without_names.contains("http://") && !without_names.contains("https://"));
    for place in ["@NONCE@", "@TITLE@", "@STYLE@", "@SCRIPT@"] {
        assert!(!page.contains(place), "{place} is filled");
    }
}

#[test]
fn o1_the_json_shows_settings_beside_numbers() {
    let registry = Registry::new();
    let payments = breaker(&registry, "payments");
    let board = Board::private();
    board.concurrency_limit("database", 9).expect("a free slot");
    registry.add_board("shop", &board);
    for _ in 0..20 {
        payments.try_acquire().expect("closed").failure();
    }
    let server = Server::start(Endpoints::new(&registry).router());
    let shown = snapshot(&server);
    let own = &shown["breakers"][0];
    assert_eq!(own["state"], "open");
    assert_eq!(own["config"]["failure_threshold"], 0.5);
    assert_eq!(own["totals"]["failures"], 20);
    assert_eq!(own["changes"][0]["reason"], "failure_rate");
    assert_eq!(own["changes"][0]["counts"]["calls"], 20);
    assert_eq!(
        shown["concurrency_limits"][0],
        json!({"name": "database", "board": "shop", "in_flight": 0, "limit": 9})
    );
}

/// What a request to `/control` is answered.
fn control(server: &Server, headers: &[(&str, &str)], body: &Value) -> u16 {
    let mut request = Client::new().post(format!("{}/control", server.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.to_string()).send().expect("it answers");
    answer.status().as_u16()
}

const KNOWS: (&str, &str) = ("authorization", "Bearer correct horse battery staple");
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn o3_controls_want_a_token_and_no_other_page_and_are_on_record() {
    let registry = Registry::new();
    let payments = breaker(&registry, "payments");
    let force = json!({"name": "payments", "verb": "force_open"});
    let off = Server::start(Endpoints::new(&registry).router());
    assert_eq!(control(&off, &[KNOWS, JSON], &force), 403, "off by default");
    let empty = Server::start(Endpoints::new(&registry).controls("").router());
    assert_eq!(
        control(&empty, &[("authorization", "Bearer "), JSON], &force),
        403
    );

    let server = Server::start(Endpoints::new(&registry).controls(TOKEN).router());
    let refused: [(&[(&str, &str)], u16); 7] = [
        (&[JSON], 401),
        (&[("authorization", "Bearer wrong"), JSON], 401),
        (
            &[
                ("authorization", "Bearer correct horse battery stapl"),
                JSON,
            ],
            401,
        ),
        (&[("authorization", TOKEN), JSON], 401),
        (&[KNOWS, ("content-type", "text/plain")], 415),
        (&[KNOWS, JSON, ("sec-fetch-site", "cross-site")], 403),
        (&[KNOWS, JSON, ("origin", "https://evil.example")], 403),
    ];
    for (headers, status) in refused {
        assert_eq!(control(&server, headers, &force), status, "{headers:?}");
        assert_eq!(payments.state(), CircuitState::Closed, "{headers:?}");
    }
    let unknown = json!({"name": "nobody", "verb": "reset"});
    assert_eq!(control(&server, &[KNOWS, JSON], &unknown), 404);
    let wrong = json!({"name": "payments", "verb": "explode"});
    assert_eq!(control(&server, &[KNOWS, JSON], &wrong), 400);
    let long = json!({"name": "a".repeat(5_000), "verb": "reset"});
    assert_eq!(control(&server, &[KNOWS, JSON], &long), 413);

    assert_eq!(control(&server, &[KNOWS, JSON], &force), 204);
    assert_eq!(payments.state(), CircuitState::ForcedOpen);
    let shown = snapshot(&server);
    let last = shown["audit"]
        .as_array()
        .and_then(|all| all.last())
        .expect("a record");
    assert_eq!(
        (&last["verb"], &last["result"], &last["from"]),
        (&json!("force_open"), &json!("done"), &json!("127.0.0.1"))
    );
    assert!(
        !shown.to_string().contains("horse"),
        "the token is told to nobody"
    );
}

#[test]
fn o3_a_token_cannot_be_tried_often() {
    let registry = Registry::new();
    let payments = breaker(&registry, "payments");
    let server = Server::start(Endpoints::new(&registry).controls(TOKEN).router());
    let force = json!({"name": "payments", "verb": "force_open"});
    let answers: Vec<_> = (0..30)
        .map(|_| control(&server, &[("authorization", "Bearer wrong"), JSON], &force))
        .collect();
    let refused = answers.iter().filter(|status| **status == 401).count();
    assert!((10..=15).contains(&refused), "{answers:?}");
    assert_eq!(answers.last(), Some(&429));
    assert_eq!(payments.state(), CircuitState::Closed);
}

fn stream(server: &Server) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    let request = format!("GET /events HTTP/1.1\r\nhost: {}\r\n\r\n", server.address());
    stream.write_all(request.as_bytes()).expect("it reads");
    BufReader::new(stream)
}

/// The next event's report, and nothing once the stream is over.
fn next(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Option<Value> {
    lines.find_map(|line| {
        let line = line.ok()?;
        serde_json::from_str(line.strip_prefix("data: ")?).ok()
    })
}

#[test]
fn o2_a_client_that_is_slow_gets_the_latest_and_queues_nothing() {
    let registry = Registry::new();
    // Reports of a megabyte: a few fill whatever the sockets hold.
    for number in 0..1_500 {
        breaker(&registry, &format!("breaker-{number:050}"));
    }
    let interval = Duration::from_millis(50);
    let server = Server::start(Endpoints::new(&registry).interval(interval).router());
    let mut lines = stream(&server).lines();
    let age = |report: &Value| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.expect("after 1970").as_millis() as u64;
        Duration::from_millis(now.saturating_sub(report["at"].as_u64().unwrap_or_default()))
    };
    next(&mut lines).expect("a report");
    let pause = Duration::from_secs(4);
    thread::sleep(pause);
    // What was on its way is old. What follows is not: reports were left out, not kept.
    let late = (0..40)
        .map_while(|_| next(&mut lines))
        .position(|report| age(&report) < pause / 2);
    let late = late.expect("a report that is new");
    assert!(
        late < 30,
        "{late} reports of {} were kept",
        pause.as_millis() / 50
    );
}

#[test]
fn o2_streams_are_bounded_and_their_places_come_back() {
    let registry = Registry::new();
    let interval = Duration::from_millis(50);
    let server = Server::start(Endpoints::new(&registry).interval(interval).router());
    let status = |stream: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        stream.read_line(&mut line).expect("an answer");
        line
    };
    let mut streams: Vec<_> = (0..64).map(|_| stream(&server)).collect();
    for own in &mut streams {
        assert!(status(own).contains("200"));
    }
    assert!(status(&mut stream(&server)).contains("429"));
    streams.clear();
    let begun = std::time::Instant::now();
    while !status(&mut stream(&server)).contains("200") {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "no place comes back"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn o3_the_routes_can_be_nested_in_a_service() {
    let registry = Registry::new();
    breaker(&registry, "payments");
    let own = axum::Router::new().nest("/fuseboard", Endpoints::new(&registry).router());
    let server = Server::start(own);
    assert!(
        get(&server, "/fuseboard/metrics")
            .text()
            .expect("a body")
            .contains("payments")
    );
    let mut page = String::new();
    get(&server, "/fuseboard")
        .read_to_string(&mut page)
        .expect("a body");
    assert!(page.contains("</html>"));
}
