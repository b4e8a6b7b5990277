//! What the program is told: flags, and the same as variables of the environment for containers.

use std::ffi::OsStr;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use reqwest::Url;

use crate::command::retention;

/// The three services behind the gateway, or which of them this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All of them.
    Everything,
    /// What clients talk to.
    Gateway,
    /// The write side, with relay and fulfilment.
    Command,
    /// The read side, with its projection.
    Query,
}

impl Role {
    /// The word on the command line and in telemetry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Everything => "serve",
            Self::Gateway => "gateway",
            Self::Command => "command",
            Self::Query => "query",
        }
    }

    /// The port it takes when none is given: 8080, or one of those after it, so that three processes of one machine do not meet.
    pub fn port(self) -> u16 {
        8080 + self.place()
    }

    /// The same for operations, from 9090.
    pub fn operations_port(self) -> u16 {
        9090 + self.place()
    }

    fn place(self) -> u16 {
        match self {
            Self::Everything | Self::Gateway => 0,
            Self::Command => 1,
            Self::Query => 2,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Where data are kept.
#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "these are the help text")]
pub struct Places {
    /// Folder of the SQLite file, used where no --postgres is given; it is made when it is missing.
    #[arg(
        long,
        env = "ORDERS_DATA",
        value_name = "FOLDER",
        default_value = "orders-data"
    )]
    pub data: PathBuf,
    /// Event store and read model in PostgreSQL: postgres://user:password@host/database
    #[arg(long, env = "ORDERS_POSTGRES", value_name = "URL", hide_env_values = true, value_parser = POSTGRES)]
    pub postgres: Option<SecretUrl>,
    /// Bus and shared limits in Redis or Valkey: redis://host:6379
    #[arg(long, env = "ORDERS_REDIS", value_name = "URL", hide_env_values = true, value_parser = REDIS)]
    pub redis: Option<SecretUrl>,
}

/// What all services are told.
#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "these are the help text")]
pub struct Settings {
    /// Address to listen on; 0.0.0.0 lets others in.
    #[arg(long, env = "ORDERS_HOST", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port for clients; 0 takes a free one [default: 8080; command 8081, query 8082]
    #[arg(long, env = "ORDERS_PORT")]
    pub port: Option<u16>,
    /// Port for metrics, health and the dashboard; 0 takes a free one [default: 9090; command 9091, query 9092]
    #[arg(long, env = "ORDERS_OPERATIONS_PORT")]
    pub operations_port: Option<u16>,
    /// Where data are kept.
    #[command(flatten)]
    pub places: Places,
    /// A region of the payment provider, as NAME=URL; several in the order in which they are asked. Without any, `serve` starts two itself.
    #[arg(
        long = "payment-provider",
        env = "ORDERS_PAYMENT_PROVIDERS",
        value_name = "NAME=URL",
        value_delimiter = ','
    )]
    pub payment_providers: Vec<Region>,
    /// The shipping provider. Without one, `serve` starts it itself.
    #[arg(long, env = "ORDERS_SHIPPING_PROVIDER", value_name = "URL", value_parser = http_url)]
    pub shipping_provider: Option<Url>,
    /// File of the tokens that are let in (README, "Who may what"). Without one, `serve` makes three for trying, and prints them.
    #[arg(long, env = "ORDERS_TOKENS", value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// How long after a signal to end new requests are still taken while /readyz already says no, for load balancers to notice.
    #[arg(long, env = "ORDERS_DRAIN", value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub drain: Duration,
    /// How long a command's answer is kept for its Idempotency-Key, 10m to 365d: a request that is repeated later is a new one.
    #[arg(long, env = "ORDERS_IDEMPOTENCY_RETENTION", value_name = "TIME", default_value = "24h", value_parser = kept)]
    pub idempotency_retention: Duration,
    /// How log lines on standard error look; RUST_LOG says which there are.
    #[arg(long, env = "ORDERS_LOG", value_enum, default_value_t = LogFormat::Text)]
    pub log: LogFormat,
}

impl Settings {
    /// Where clients come in.
    pub fn address(&self, role: Role) -> SocketAddr {
        SocketAddr::new(self.host, self.port.unwrap_or(role.port()))
    }

    /// Where metrics, health and the dashboard are.
    pub fn operations_address(&self, role: Role) -> SocketAddr {
        let port = self.operations_port.unwrap_or(role.operations_port());
        SocketAddr::new(self.host, port)
    }
}

/// One region of the payment provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its name, as events keep it.
    pub name: String,
    /// Where it listens.
    pub url: Url,
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, url) = text.split_once('=').ok_or_else(|| {
            "a region is NAME=URL, such as primary=http://127.0.0.1:9101".to_owned()
        })?;
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '-';
        if name.is_empty() || name.len() > 32 || !name.chars().all(is_word) {
            return Err(format!(
                "the name is {name:?}; allowed: 1 to 32 letters, digits and hyphens"
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            url: http_url(url)?,
        })
    }
}

/// An address that may hold a password: it is never shown whole.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// The whole address, for the one who connects.
    pub fn reveal(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Also without the query: drivers take passwords there too.
        let host = self.0.host_str().unwrap_or("localhost");
        write!(f, "{}://{host}", self.0.scheme())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

/// Reads an address that may hold a password, and never repeats it: clap's own messages quote what they were given.
#[derive(Debug, Clone, Copy)]
struct SecretParser {
    schemes: &'static [&'static str],
    example: &'static str,
}

const POSTGRES: SecretParser = SecretParser {
    schemes: &["postgres", "postgresql"],
    example: "postgres://orders:password@127.0.0.1:5432/orders",
};
const REDIS: SecretParser = SecretParser {
    schemes: &["redis"],
    example: "redis://127.0.0.1:6379",
};

impl TypedValueParser for SecretParser {
    type Value = SecretUrl;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<SecretUrl, clap::Error> {
        let text = value.to_str().unwrap_or_default();
        parsed(text, self.schemes, self.example)
            .map(SecretUrl)
            .map_err(|problem| {
                let flag = argument.and_then(clap::Arg::get_long).unwrap_or_default();
                let message = format!("--{flag}: {problem}\n");
                clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
            })
    }
}

fn parsed(text: &str, schemes: &[&str], example: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|error| format!("no address ({error}); one is {example}"))?;
    if schemes.contains(&url.scheme()) {
        return Ok(url);
    }
    Err(format!(
        "an address of {}:// is not known here; allowed: {}://, such as {example}",
        url.scheme(),
        schemes.join("://, ")
    ))
}

fn kept(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    retention(time).map_err(|error| error.to_string())
}

/// An address of plain HTTP.
///
/// # Errors
/// What it should be.
pub fn http_url(text: &str) -> Result<Url, String> {
    parsed(text, &["http"], "http://127.0.0.1:9101")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::DEFAULT_RETENTION;

    fn read(parser: SecretParser, text: &str) -> Result<SecretUrl, String> {
        let read = parser.parse_ref(&clap::Command::new("orders"), None, OsStr::new(text));
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_is_never_shown() {
        let text = "postgres://orders:hunter2@db:5433/orders?password=hunter2";
        let url = read(POSTGRES, text).expect("an address");
        assert_eq!(url.to_string(), "postgres://db:5433/orders");
        assert!(!format!("{url:?}").contains("hunter2"));
        assert!(url.reveal().contains("hunter2"));
    }

    #[test]
    fn a_wrong_address_says_what_is_allowed_and_not_the_password() {
        let wrong = read(POSTGRES, "mysql://orders:hunter2@db/orders").expect_err("another scheme");
        assert!(
            wrong.contains("postgres://") && !wrong.contains("hunter2"),
            "{wrong}"
        );
        let none = read(REDIS, "hunter2").expect_err("no address");
        assert!(
            none.contains("redis://127.0.0.1:6379") && !none.contains("hunter2"),
            "{none}"
        );
    }

    #[test]
    fn a_region_has_a_name_and_an_address() {
        let region: Region = "eu-1=http://127.0.0.1:9101".parse().expect("a region");
        assert_eq!(
            (region.name.as_str(), region.url.as_str()),
            ("eu-1", "http://127.0.0.1:9101/")
        );
        for wrong in [
            "http://127.0.0.1:9101",
            "=http://x",
            "a b=http://x",
            "a=ftp://x",
        ] {
            assert!(wrong.parse::<Region>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn answers_are_kept_for_a_time_that_makes_sense() {
        assert_eq!(kept("24h"), Ok(DEFAULT_RETENTION));
        assert!(kept("10m").is_ok() && kept("365d").is_ok());
        for wrong in ["9m", "366d", "0s"] {
            let error = kept(wrong).expect_err(wrong);
            assert!(error.contains("allowed: 10m to 365d"), "{error}");
        }
    }

    #[test]
    fn three_processes_of_one_machine_do_not_meet() {
        let ports = [Role::Gateway, Role::Command, Role::Query].map(Role::port);
        assert_eq!(ports, [8080, 8081, 8082]);
        let ports = [Role::Gateway, Role::Command, Role::Query].map(Role::operations_port);
        assert_eq!(ports, [9090, 9091, 9092]);
    }
}
