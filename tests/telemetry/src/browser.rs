//! [`Browser`]: a real one without a screen, driven by the `WebDriver` protocol, which is JSON over HTTP.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long something may take to show.
const PATIENCE: Duration = Duration::from_secs(20);

/// A headless Chromium with one page.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    client: reqwest::blocking::Client,
    session: String,
    profile: PathBuf,
}

impl Browser {
    /// Starts it, with a profile of its own below `folder`.
    ///
    /// # Panics
    /// When `chromedriver` or Chromium cannot be started.
    pub fn start(folder: &Path) -> Self {
        let profile = folder.join(format!("chromium-{}", std::process::id()));
        fs::create_dir_all(&profile).expect("a folder");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .expect("`chromedriver` (Debian package chromium-driver) starts");
        let lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.expect("chromedriver says its port");
        let client = reqwest::blocking::Client::builder()
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .build()
            .expect("a client");
        let mut browser = Self {
            driver,
            client,
            session: format!("http://127.0.0.1:{port}/session"),
            profile: profile.clone(),
        };
        let profile = format!("--user-data-dir={}", profile.display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1400,1000",
            &profile,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        }}});
        let made = browser.post("", &wanted);
        let id = made["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{}/{id}", browser.session);
        // What its own first page asked for is nobody's business.
        browser.open("about:blank");
        browser.requests();
        browser
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let request = self.client.post(url).body(body.to_string());
        let answer = request.send().and_then(reqwest::blocking::Response::text);
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut answer: Value = serde_json::from_str(&answer).expect("WebDriver answers JSON");
        let value = answer["value"].take();
        assert!(value.get("error").is_none(), "{path} {body}: {value:#}");
        value
    }

    /// Opens an address.
    pub fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Runs the body of a function in the page.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// A command of the browser's own protocol.
    pub fn tell(&self, command: &str, parameters: &Value) -> Value {
        self.post(
            "/goog/cdp/execute",
            &json!({ "cmd": command, "params": parameters }),
        )
    }

    /// What an expression of the page is, once it is true.
    ///
    /// # Panics
    /// When it does not become true within 20 s.
    pub fn wait_for(&self, expression: &str) -> Value {
        let begun = Instant::now();
        loop {
            let value = self.run(&format!("return {expression}"));
            if !matches!(value, Value::Null | Value::Bool(false))
                && value != json!("")
                && value != json!(0)
            {
                return value;
            }
            let page = || self.run("return document.body.innerText");
            assert!(
                begun.elapsed() < PATIENCE,
                "not true: {expression}\n{}",
                page()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses keys, wherever the page's focus is. `\u{E004}` is Tab, `\u{E007}` Enter.
    pub fn press(&self, keys: &str) {
        let presses: Vec<_> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
            })
            .collect();
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": presses }]);
        self.post("/actions", &json!({ "actions": actions }));
    }

    /// Clicks as a user does, on what a selector finds.
    ///
    /// # Panics
    /// When nothing is found that can be clicked.
    pub fn click(&self, selector: &str) {
        let found = json!({ "using": "css selector", "value": selector });
        let element = self.post("/element", &found);
        let id = element
            .as_object()
            .and_then(|ids| ids.values().next()?.as_str());
        let id = id.expect("an element has an id").to_owned();
        self.post(&format!("/element/{id}/click"), &json!({}));
    }

    /// The page in this width, light or dark, as a picture in `file`.
    ///
    /// # Panics
    /// When the browser takes none.
    pub fn picture(&self, width: u32, scheme: &str, file: &Path) {
        let feature = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tell(
            "Emulation.setEmulatedMedia",
            &json!({ "features": feature }),
        );
        self.tell("Emulation.setScrollbarsHidden", &json!({ "hidden": true }));
        let size =
            json!({ "width": width, "height": 1_000, "deviceScaleFactor": 1, "mobile": false });
        self.tell("Emulation.setDeviceMetricsOverride", &size);
        thread::sleep(Duration::from_millis(300));
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let taken = self.tell("Page.captureScreenshot", &whole);
        let bytes = taken["data"]
            .as_str()
            .and_then(|data| STANDARD.decode(data).ok());
        fs::write(file, bytes.expect("a picture")).expect("a file");
    }

    /// Entries of a log, `browser` or `performance`, since the last time it was asked for.
    pub fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.post("/se/log", &json!({ "type": kind }));
        entries.as_array().cloned().unwrap_or_default()
    }

    /// Every address that was asked for since the last time.
    pub fn requests(&self) -> Vec<String> {
        let messages = self
            .log("performance")
            .into_iter()
            .filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        messages
            .filter(|message| message["message"]["method"] == "Network.requestWillBeSent")
            .filter_map(|message| {
                let url = &message["message"]["params"]["request"]["url"];
                url.as_str().map(str::to_owned)
            })
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with its session.
        let _ = self.client.delete(&self.session).send();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}
