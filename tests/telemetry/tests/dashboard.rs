//! The dashboard in a real browser: what a user sees, and what an operator may do.

use fuseboard::telemetry::{Endpoints, Registry};
use fuseboard::{
    Board, CircuitBreaker, CircuitBreakerConfig, CircuitState, ConcurrencyLimit, Outcome, Rate,
    RetryBudget, TokenBucketRateLimiter,
};
use fuseboard_telemetry::{Browser, Server};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const TOKEN: &str = "correct horse battery staple";
const TAB: &str = "\u{E004}";

/// A shop under load, part of which can be made to fail.
struct Shop {
    registry: Registry,
    payments: CircuitBreaker,
    fails: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
    _board: Board,
}

fn config(open_timeout: Duration) -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        open_timeout,
        minimum_requests: 20,
        record_latency: true,
        window: fuseboard::Window::Time {
            length: fuseboard::Nanos::from_secs(2),
            slots: 10,
        }
        .into(),
        ..CircuitBreakerConfig::default()
    }
}

impl Shop {
    fn open() -> Self {
        let registry = Registry::new();
        let (fails, ends) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let payments = CircuitBreaker::new("payments", config(Duration::from_secs(3)));
        let board = Board::anonymous().expect("shared memory");
        let ledger = board.breaker("ledger", config(Duration::from_secs(600)));
        let ledger = ledger.expect("a free slot");
        let search = CircuitBreaker::new("search", config(Duration::from_secs(1)));
        let mail = CircuitBreaker::new("mail & <notifications>", config(Duration::from_secs(1)));
        for breaker in [&payments, &search, &mail] {
            registry.add_breaker(breaker);
        }
        registry.add_board("shop", &board);
        let limit = ConcurrencyLimit::new(8);
        registry.add_concurrency_limit("database connections", &limit);
        let bucket = TokenBucketRateLimiter::new(Rate::per_second(40), 50);
        registry.add_token_bucket("outbound mail", &bucket);
        registry.add_retry_budget("payments", &RetryBudget::default());
        let mut shop = Self {
            registry,
            payments: payments.clone(),
            fails: Arc::clone(&fails),
            ends: Arc::clone(&ends),
            threads: Vec::new(),
            _board: board,
        };
        shop.load(&payments, 8, move |_| fails.load(Ordering::Relaxed));
        shop.load(&search, 11, |call| call % 13 == 0);
        shop.load(&ledger, 5, |call| call > 40);
        shop.load(&mail, 40, |call| call % 5 == 0);
        let ends = Arc::clone(&shop.ends);
        shop.threads.push(thread::spawn(move || {
            let _places: Vec<_> = (0..7).filter_map(|_| limit.try_acquire().ok()).collect();
            while !ends.load(Ordering::Relaxed) {
                let _ = (
                    bucket.try_acquire(),
                    thread::sleep(Duration::from_millis(20)),
                );
            }
        }));
        shop
    }

    /// Calls every so many milliseconds.
    fn load(
        &mut self,
        breaker: &CircuitBreaker,
        every: u64,
        fails: impl Fn(u64) -> bool + Send + 'static,
    ) {
        let (breaker, ends, calls) = (breaker.clone(), Arc::clone(&self.ends), AtomicU64::new(0));
        self.threads.push(thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                if let Ok(permit) = breaker.try_acquire() {
                    let call = calls.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_micros(300 + 700 * (call % 7)));
                    permit.settle(if fails(call) {
                        Outcome::Failure
                    } else {
                        Outcome::Success
                    });
                }
                thread::sleep(Duration::from_millis(every));
            }
        }));
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Where pictures are kept.
fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// In the page: the card of a breaker, and its state.
const CARD: &str = "document.querySelector('article[data-name=payments]')";

fn is(state: &str) -> String {
    format!("{CARD}?.dataset.state === '{state}'")
}

#[test]
fn o3_a_breaker_trips_and_recovers_live_and_an_operator_steers_it() {
    let shop = Shop::open();
    let endpoints = Endpoints::new(&shop.registry).title("shop").controls(TOKEN);
    let server = Server::start(endpoints.interval(Duration::from_millis(250)).router());
    let browser = Browser::start(Path::new(env!("CARGO_TARGET_TMPDIR")));
    browser.open(&server.url());

    // Everything is there, live.
    browser.wait_for(&is("closed"));
    browser.wait_for("document.querySelectorAll('article').length === 4");
    browser.wait_for("document.getElementById('live').dataset.state === 'on'");
    browser.wait_for(&format!(
        "parseFloat({CARD}.querySelector('dd').textContent) > 10"
    ));
    let text = browser.run("return document.body.innerText").to_string();
    for wanted in [
        "database connections",
        "7 of 8 in flight",
        "100 retries left",
        "mail & <notifications>",
        "shop",
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    browser
        .wait_for("document.querySelector('article[data-name=ledger]')?.dataset.state === 'open'");

    trips(&shop, &browser);
    recovers(&shop, &browser);
    steers(&shop, &browser);
    is_reachable(&browser);
    is_quiet(&server, &browser);

    // A server that is gone is not shown as one that is fine.
    drop(server);
    browser.wait_for("!document.getElementById('stale').hidden && document.getElementById('stale').textContent.startsWith('No news')");
    assert_eq!(
        browser.run("return document.body.classList.contains('stale')"),
        true
    );
    browser.picture(800, "light", &pictures().join("stale-800-light.png"));
}

/// It trips, says why, and can be read on every screen.
fn trips(shop: &Shop, browser: &Browser) {
    // It trips, and says why.
    shop.fails.store(true, Ordering::Relaxed);
    browser.wait_for(&is("open"));
    let why = browser.wait_for(&format!("{CARD}.querySelector('.why').textContent"));
    let why = why.as_str().unwrap_or_default().to_owned();
    assert!(why.starts_with("Too many calls failed: "), "{why}");
    assert!(why.contains("limit 50 %"), "{why}");
    browser.wait_for("document.title.startsWith('(2 open)')");
    // Shape and word, not only colour.
    browser.wait_for(&format!("{CARD}.querySelector('.badge svg path') && {CARD}.querySelector('.badge').textContent.startsWith('Open')"));
    browser
        .wait_for("document.getElementById('changes').innerText.includes('too many calls failed')");
    thread::sleep(Duration::from_secs(2));
    for (width, scheme) in [
        (360, "light"),
        (360, "dark"),
        (800, "light"),
        (800, "dark"),
        (1400, "light"),
        (1400, "dark"),
    ] {
        browser.picture(
            width,
            scheme,
            &pictures().join(format!("open-{width}-{scheme}.png")),
        );
        let fits = browser.run("return document.documentElement.scrollWidth <= innerWidth");
        assert_eq!(fits, true, "nothing sticks out at {width}");
        let faint = browser.run(CONTRAST);
        assert_eq!(faint, serde_json::json!([]), "too faint, {scheme}");
    }
}

/// It recovers by itself.
fn recovers(shop: &Shop, browser: &Browser) {
    // And recovers.
    shop.fails.store(false, Ordering::Relaxed);
    browser.wait_for(&is("closed"));
    browser.wait_for(&format!(
        "{CARD}.querySelector('.why').textContent.startsWith('The probes succeeded')"
    ));
}

/// Without the token nobody steers it, with it one does.
fn steers(shop: &Shop, browser: &Browser) {
    // Without a token there is nothing to press; with a wrong one nothing happens.
    let visible = "[...document.querySelectorAll('.card .actions')].filter((own) => own.checkVisibility()).length";
    assert_eq!(browser.run(&format!("return {visible}")), 0);
    unlock(browser, "wrong");
    press_force_open(browser);
    browser.wait_for(
        "document.getElementById('stale').textContent.includes('token is missing or wrong')",
    );
    assert_ne!(shop.payments.state(), CircuitState::ForcedOpen);
    browser.wait_for(&format!("{visible} === 0"));

    // With the right one it does, and it is on record.
    unlock(browser, TOKEN);
    press_force_open(browser);
    browser.wait_for(&is("forced_open"));
    assert_eq!(shop.payments.state(), CircuitState::ForcedOpen);
    browser.wait_for("document.getElementById('audit').innerText.includes('127.0.0.1')");
    browser.click("article[data-name=payments] [data-verb=reset]");
    browser.click("#confirm [value=yes]");
    browser.wait_for(&is("closed"));
    browser.wait_for(
        "document.getElementById('changes').innerText.includes('asked for by an operator')",
    );
    browser.picture(1400, "light", &pictures().join("controls-1400-light.png"));
}

/// Without a mouse, and without eyes.
fn is_reachable(browser: &Browser) {
    // By keyboard alone: the first thing leads past the rest, and everything that can be pressed is reached.
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0); return 0");
    browser.press(TAB);
    let mut reached = Vec::new();
    for _ in 0..30 {
        let own = browser.run("const own = document.activeElement; return own.textContent.trim().slice(0, 40) + '|' + own.tagName");
        reached.push(own.to_string());
        browser.press(TAB);
    }
    assert!(
        reached.iter().any(|own| own.contains("Lock controls")),
        "{reached:?}"
    );
    assert!(
        reached.iter().any(|own| own.contains("Force open")),
        "{reached:?}"
    );
    // A screen reader finds a name for all that it stops at, and for all charts.
    let nameless = browser.run(
        "return [...document.querySelectorAll('svg[role=img], [role=meter], section, article')]\
         .filter((own) => own.checkVisibility() && !own.getAttribute('aria-label') && !document.getElementById(own.getAttribute('aria-labelledby'))?.textContent)\
         .map((own) => own.outerHTML.slice(0, 80))",
    );
    assert_eq!(nameless, serde_json::json!([]));
}

/// It asks nobody else for anything, and nothing goes wrong.
fn is_quiet(server: &Server, browser: &Browser) {
    // Nobody else was asked for anything, and nothing went wrong but the wrong token.
    let origin = server.url();
    let outside: Vec<_> = browser
        .requests()
        .into_iter()
        .filter(|url| !url.starts_with(&origin) && !url.starts_with("data:"))
        .collect();
    assert_eq!(outside, Vec::<String>::new());
    let errors: Vec<_> = browser
        .log("browser")
        .into_iter()
        .map(|entry| entry["message"].to_string())
        .filter(|message| {
            !message.contains(
                "/control - Failed to load resource: the server responded with a status of 401",
            )
        })
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

fn unlock(browser: &Browser, token: &str) {
    browser.click("#unlock");
    browser.click("#token");
    browser.press(token);
    browser.click("#token-form button");
    browser.wait_for("document.querySelector('article[data-name=payments] [data-verb=force_open]').checkVisibility()");
}

fn press_force_open(browser: &Browser) {
    browser.click("article[data-name=payments] [data-verb=force_open]");
    browser.click("#confirm [value=yes]");
}

/// Texts whose contrast with what is behind them is below 4.5, as WCAG asks for.
const CONTRAST: &str = r"
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const colour = (text, under) => {
        canvas.clearRect(0, 0, 1, 1);
        if (under) { canvas.fillStyle = `rgb(${under.join(' ')})`; canvas.fillRect(0, 0, 1, 1); }
        canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = (rgb) => {
        const [r, g, b] = rgb.map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        const layers = [];
        for (let own = element; own; own = own.parentElement) layers.unshift(getComputedStyle(own).backgroundColor);
        return layers.reduce((under, layer) => colour(layer, under), [255, 255, 255]);
    };
    const faint = new Set();
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility() || element.closest('script, style, noscript, .skip, .unseen, [disabled]')) continue;
        const under = behind(element), over = colour(getComputedStyle(element).color, under);
        const [one, other] = [light(under), light(over)];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 4.5) faint.add(`${element.tagName}.${element.className} ${element.textContent.slice(0, 20)} ${ratio.toFixed(2)}`);
    }
    return [...faint];
";
