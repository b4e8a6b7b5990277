#![doc = include_str!("../README.md")]

// And what several of them need.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

/// A server on this machine that answers each request with the next of these (`200 OK Ada`: status, reason, body), and then the last for ever.
///
/// # Errors
/// There is no port left.
pub fn serve(answers: &'static [&'static str]) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for (served, mut stream) in listener.incoming().flatten().enumerate() {
            let request = BufReader::new(&stream).lines().map_while(Result::ok);
            request.take_while(|line| !line.is_empty()).for_each(drop);
            let answer = answers[served.min(answers.len() - 1)];
            let (status, body) = answer.rsplit_once(' ').unwrap_or((answer, ""));
            let head = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}",
                body.len()
            );
            // A client that has gone away does not want its answer.
            let _ = write!(stream, "{head}\r\n\r\n{body}");
        }
    });
    Ok(address)
}

/// A client that asks servers on this machine without a proxy in between.
///
/// # Errors
/// The system has no TLS or resolver to offer.
pub fn direct() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().build()
}
