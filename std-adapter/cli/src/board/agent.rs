//! `fuseboard agent`: a process beside those that use a board, which exports what it sees, so that none of them has to.

use super::path;
use crate::failure::Failure;
use clap::Args;
use fuseboard::Board;
use fuseboard::telemetry::{Endpoints, Health, Registry, TelemetryOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// How often it looks for changes of state, which nobody tells it of.
const LOOK: Duration = Duration::from_millis(250);

/// Arguments of `fuseboard agent`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The board's file; without it, the only board in /dev/shm.
    #[arg(value_name = "BOARD", value_hint = clap::ValueHint::FilePath)]
    path: Option<PathBuf>,
    /// The same, as the other commands have it.
    #[arg(long, env = "FUSEBOARD_BOARD", value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    board: Option<PathBuf>,
    /// Makes the board if it is not there yet: for an agent that is started first.
    #[arg(long)]
    create: bool,
    /// Where the dashboard, /metrics and the health endpoints are served; port 0 takes a free one. Whoever reaches it can read them.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
    /// Sends metrics and changes of state by OTLP, to URL or where the variables `OTEL_EXPORTER_OTLP_*` say.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    otlp: Option<String>,
    /// Whoever knows the content of this file may force breakers open, disable and reset them on the dashboard.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    token_file: Option<PathBuf>,
}

/// Serves until it is told to end.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let named = arguments.path.clone().or_else(|| arguments.board.clone());
    let path = match (named, arguments.create) {
        (Some(path), true) => path,
        (named, _) => path::path_or_only(named)?,
    };
    let board = if arguments.create {
        Board::open(&path)?
    } else {
        path::open(&path)?
    };
    let token = arguments.token_file.as_deref().map(token).transpose()?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let registry = Registry::new();
    registry.add_board(&name, &board);
    let telemetry = match &arguments.otlp {
        Some(url) if url.is_empty() => Some(TelemetryOptions::new().start(&registry)?),
        Some(url) => Some(TelemetryOptions::new().endpoint(url).start(&registry)?),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(arguments, &registry, &name, token))?;
    // Streams that are still open end with it.
    drop(runtime);
    if let Some(telemetry) = telemetry
        && !telemetry.shutdown()
    {
        anstream::eprintln!("fuseboard: the collector has not taken everything");
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    arguments: &Arguments,
    registry: &Registry,
    name: &str,
    token: Option<String>,
) -> Result<(), Failure> {
    let health = Health::default();
    let endpoints = Endpoints::new(registry).title(name).health(&health);
    let routes = match token {
        Some(token) => endpoints.controls(token),
        None => endpoints,
    };
    let routes = routes
        .router()
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| {
        anyhow::Error::new(error).context(format!("cannot listen on {}", arguments.listen))
    })?;
    let address = listener.local_addr()?;
    anstream::println!("agent: http://{address}/ shows {name}");
    if !address.ip().is_loopback() {
        anstream::println!("agent: whoever reaches {address} can read it");
    }
    let (mut end, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let look = async {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Its watchers are told of what is found.
            drop(registry.report());
        }
    };
    tokio::select! {
        served = async { axum::serve(listener, routes).await } => served?,
        () = look => {}
        _ = end.recv() => {}
        _ = interrupt.recv() => {}
    }
    anstream::println!("agent: ends");
    Ok(())
}

/// The first line of a file that nobody else may read.
fn token(path: &std::path::Path) -> Result<String, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let shown = path.display();
    let failed = |error| anyhow::Error::new(error).context(format!("cannot read {shown}"));
    let mode = std::fs::metadata(path)
        .map_err(failed)?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(Failure::Usage(format!(
            "mode of {shown} is {mode:04o}; allowed: 0600 or 0400, nobody else may read a token; run `chmod 600 {shown}`"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.len() < 16 {
        return Err(Failure::Usage(format!(
            "token in {shown} has {} characters; allowed: 16 or more; make one with `openssl rand -hex 16`",
            token.len()
        )));
    }
    Ok(token.to_owned())
}
