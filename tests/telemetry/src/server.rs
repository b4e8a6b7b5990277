//! [`Server`]: endpoints on a port of their own.

use axum::Router;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// Routes that are served, in a thread of their own, until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `routes`.
    ///
    /// # Panics
    /// When there is no port or no thread.
    pub fn start(routes: Router) -> Self {
        let (told, address) = mpsc::channel();
        let (end, ended) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("a port");
                told.send(listener.local_addr().expect("an address"))
                    .expect("the test waits");
                let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
                tokio::select! {
                    served = async { axum::serve(listener, routes).await } => served.expect("it serves"),
                    _ = ended => {}
                }
            });
        });
        Self {
            address: address.recv().expect("the thread begins"),
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // What went wrong there shows in the test.
            let _ = thread.join();
        }
    }
}
