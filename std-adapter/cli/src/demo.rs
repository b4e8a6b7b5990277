//! The demo: the same load on the same failing upstream, without a breaker and with one.

mod load;
mod report;
mod screen;
mod script;
mod upstream;
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
pub(crate) mod workers;

use anyhow::Context;
use fuseboard::CircuitBreakerConfig;
use load::{Guard, Load, Run};
use screen::Screen;
use script::SCRIPT;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// And of one that was asked to end.
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
const TERMINATED: u8 = 143;

/// Runs the demo against an upstream on `port` of the loopback interface; 0 is any free one.
///
/// # Errors
/// The port cannot be had, or the system denies threads or sockets.
pub(crate) fn run(port: u16) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let screen = Arc::new(Screen::new(SCRIPT));
    let code = runtime.block_on(async {
        // Bound here, once: both runs use the same port, and a taken one is told at once.
        let listener = tokio::net::TcpListener::from_std(bind(port)?)?;
        tokio::select! {
            code = compare(listener, &screen) => code,
            interrupt = tokio::signal::ctrl_c() => {
                interrupt.context("cannot listen for Ctrl-C")?;
                screen.clear();
                screen.line("demo: stopped");
                Ok(ExitCode::from(INTERRUPTED))
            }
        }
    });
    // Requests that hang on purpose are not waited for.
    runtime.shutdown_background();
    code
}

fn bind(port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        let advice = "name another with --port, or leave --port out for a free one";
        format!("cannot listen on port {port} of 127.0.0.1; {advice}")
    });
    let listener = match listener {
        Err(error) if is_taken(&error) => {
            return Err(anyhow::anyhow!(
                "port {port} of 127.0.0.1 is taken by another program; stop that one, name another \
                 port with --port, or leave --port out for a free one"
            ));
        }
        other => other?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn is_taken(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|io| io.kind() == ErrorKind::AddrInUse)
}

/// Opens soon and asks again soon, because the whole story is told in seconds.
fn breaker_config() -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        failure_threshold: 0.5,
        minimum_requests: 20,
        open_timeout: Duration::from_millis(150),
        half_open_requests: 3,
        window_size: Duration::from_millis(500),
        slow_call_duration: Some(Duration::from_millis(120)),
        slow_call_threshold: 0.5,
        // Longer than the client's time limit: a hung probe is answered for by its timeout.
        probe_lease: Some(Duration::from_secs(1)),
        ..Default::default()
    }
}

async fn compare(
    listener: tokio::net::TcpListener,
    screen: &Arc<Screen>,
) -> anyhow::Result<ExitCode> {
    let load = Load::default();
    let config = breaker_config();
    screen.introduce(listener.local_addr()?, &load, &config);

    let listener = Arc::new(listener);
    screen.heading("1/2  without a breaker");
    let without = Run::new(&listener, Guard::none(load.timeout)?, screen)?
        .drive(&load)
        .await?;
    screen.heading("2/2  with a breaker");
    let guard = Guard::breaker(load.timeout, config, screen)?;
    let with = Run::new(&listener, guard, screen)?.drive(&load).await?;

    screen.line(&format!("\n{}", report::table(&without, &with)));
    screen.line(&report::summary(&without, &with));
    match report::verdict(&without, &with) {
        Ok(()) => {
            screen.line("demo: ok");
            Ok(ExitCode::SUCCESS)
        }
        Err(reason) => {
            screen.line(&format!("demo: failed: {reason}"));
            Ok(ExitCode::FAILURE)
        }
    }
}
