//! How names of hosts become addresses.
//!
//! Looking one up takes as long as a name server stays silent, so a thread of its own asks, which nobody has to wait for longer
//! than he wants. What is known to be needed is asked for ahead: making a client and its TLS takes about as long.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::oneshot;
use tower_service::Service;

/// The port is for whoever connects to fill in.
type Addresses = io::Result<Vec<SocketAddr>>;

/// The name that was asked for ahead, and who will tell.
static AHEAD: Mutex<Option<(String, oneshot::Receiver<Addresses>)>> = Mutex::new(None);

/// What the system's resolver needs of a stack, several times over.
const STACK: usize = 256 * 1024;

/// Asks for the addresses of a host, and does not wait.
#[cfg(feature = "dynamodb")]
pub(crate) fn ask_ahead(host: &str) {
    if let Ok(told) = ask(host) {
        *AHEAD.lock().unwrap_or_else(PoisonError::into_inner) = Some((host.to_owned(), told));
    }
}

/// Asks by a thread, which is left behind if nobody wants to know any more.
fn ask(host: &str) -> io::Result<oneshot::Receiver<Addresses>> {
    let (tell, told) = oneshot::channel();
    let host = host.to_owned();
    std::thread::Builder::new().stack_size(STACK).spawn(move || drop(tell.send(addresses(&host))))?;
    Ok(told)
}

fn asked_ahead(host: &str) -> Option<oneshot::Receiver<Addresses>> {
    let mut ahead = AHEAD.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, told) = ahead.take_if(|(name, _)| name == host)?;
    Some(told)
}

/// Asks the system.
#[derive(Clone, Debug)]
pub(crate) struct Names;

impl Names {
    async fn of(host: &str) -> Addresses {
        asked_ahead(host).map_or_else(|| ask(host), Ok)?.await.map_err(io::Error::other)?
    }
}

impl Service<Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, host: Name) -> Self::Future {
        Box::pin(async move { Ok(Self::of(host.as_str()).await?.into_iter()) })
    }
}

fn addresses(host: &str) -> Addresses {
    Ok((host, 0).to_socket_addrs()?.collect())
}

#[cfg(test)]
#[cfg(feature = "dynamodb")]
mod tests {
    use std::time::Duration;

    use super::*;

    /// One test, since there is one that is asked ahead.
    #[tokio::test]
    async fn what_was_asked_ahead_is_used_once_and_a_silent_server_keeps_nobody_waiting() {
        let (tell, told) = oneshot::channel();
        *AHEAD.lock().unwrap() = Some(("ahead.example".into(), told));
        let local = Names::of("localhost").await.unwrap();
        assert!(local.iter().all(|address| address.ip().is_loopback()) && !local.is_empty());
        let address = SocketAddr::from(([192, 0, 2, 7], 0));
        tell.send(Ok(vec![address])).unwrap();
        assert_eq!(Names::of("ahead.example").await.unwrap(), [address]);
        assert!(asked_ahead("ahead.example").is_none());

        ask_ahead("localhost");
        assert_eq!(Names::of("localhost").await.unwrap(), local);

        let (_tell, told) = oneshot::channel();
        *AHEAD.lock().unwrap() = Some(("silent.example".into(), told));
        let waited = tokio::time::timeout(Duration::from_millis(20), Names::of("silent.example")).await;
        assert!(waited.is_err());
    }
}
