//! How names of hosts become addresses.
//!
//! Looking one up takes as long as a name server stays silent, so a thread of its own asks, which nobody has to wait for longer
//! than he wants. What is known to be needed is asked for ahead: making a client and its TLS takes about as long.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use tokio::sync::oneshot;

type Addresses = io::Result<Vec<IpAddr>>;

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

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, host: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let told = asked_ahead(host).map_or_else(|| ask(host), Ok).map_err(ResolveDnsError::new)?;
            told.await.map_err(ResolveDnsError::new)?.map_err(ResolveDnsError::new)
        })
    }
}

fn addresses(host: &str) -> Addresses {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
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
        let local: Vec<IpAddr> = Names.resolve_dns("localhost").await.unwrap();
        assert!(local.iter().all(IpAddr::is_loopback) && !local.is_empty());
        let address = IpAddr::from([192, 0, 2, 7]);
        tell.send(Ok(vec![address])).unwrap();
        assert_eq!(Names.resolve_dns("ahead.example").await.unwrap(), [address]);
        assert!(asked_ahead("ahead.example").is_none());

        ask_ahead("localhost");
        assert_eq!(Names.resolve_dns("localhost").await.unwrap(), local);

        let (_tell, told) = oneshot::channel();
        *AHEAD.lock().unwrap() = Some(("silent.example".into(), told));
        let waited = tokio::time::timeout(Duration::from_millis(20), Names.resolve_dns("silent.example")).await;
        assert!(waited.is_err());
    }
}
