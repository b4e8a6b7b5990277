//! The providers, as programs of their own beside a service that was given none: two regions of the payment provider with one
//! book, and a carrier.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::Url;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::settings::Region;

/// Set for a program that is to end with the one that started it, however that ends: its standard input is closed then.
pub const END_WITH_PARENT: &str = "ORDERS_END_WITH_PARENT";

/// How long a provider may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A provider's program.
pub struct Provider {
    child: Child,
    /// Where it listens.
    pub url: Url,
}

impl Provider {
    /// Starts this executable with these arguments, and waits until it says where it listens.
    pub async fn start<S: AsRef<OsStr>>(
        arguments: impl IntoIterator<Item = S>,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("where this program is")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env(END_WITH_PARENT, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C in a terminal is for the service, which still has requests to finish.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().context("cannot start a provider")?;
        let said = child.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(said).lines();
        let line = match timeout(PATIENCE, lines.next_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(_) => bail!("a provider ended before it said where it listens"),
            Err(_) => bail!("a provider did not say where it listens within {PATIENCE:?}"),
        };
        // It says no more, but a pipe that nobody reads would stop it if it did.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = line.rsplit(' ').next().unwrap_or_default();
        let url = address
            .parse()
            .with_context(|| format!("a provider said {line:?}"))?;
        Ok(Self { child, url })
    }

    /// Ends it at once.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot end a provider")
    }
}

/// Two regions with one book.
pub async fn payment_regions(data: &Path) -> anyhow::Result<Vec<(Provider, Region)>> {
    let ledger = data.join("payments.db");
    let mut regions = Vec::new();
    for name in ["primary", "secondary"] {
        let provider = Provider::start([
            OsStr::new("payment-provider"),
            OsStr::new("--port=0"),
            OsStr::new("--region"),
            OsStr::new(name),
            OsStr::new("--ledger"),
            ledger.as_os_str(),
        ])
        .await
        .with_context(|| format!("payment provider, region {name}"))?;
        let region = Region {
            name: name.to_owned(),
            url: provider.url.clone(),
        };
        regions.push((provider, region));
    }
    Ok(regions)
}

/// A carrier.
pub async fn carrier(data: &Path) -> anyhow::Result<Provider> {
    let ledger = data.join("shipments.db");
    Provider::start([
        OsStr::new("shipping-provider"),
        OsStr::new("--port=0"),
        OsStr::new("--ledger"),
        ledger.as_os_str(),
    ])
    .await
    .context("shipping provider")
}

/// Ends this program when standard input is closed, where [`END_WITH_PARENT`] asks for it.
pub fn end_with_parent() {
    if std::env::var_os(END_WITH_PARENT).is_none() {
        return;
    }
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        // An error is an end too.
        let _ = std::io::Read::read_to_end(&mut std::io::stdin(), &mut rest);
        std::process::exit(0);
    });
}
