//! How names of hosts become addresses.
//!
//! Looking one up can take as long as a name server stays silent, so it is done by a thread of its own, which nobody has to wait
//! for longer than he wants. While a function starts that is not worth a thread, which takes a twentieth of the start: no event
//! waits, and without an address there is no connection to open.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};

/// How many starts are going on.
static STARTS: AtomicUsize = AtomicUsize::new(0);

/// As long as there is one, names are looked up at once.
pub(crate) struct Start;

impl Start {
    pub(crate) fn now() -> Self {
        STARTS.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        STARTS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Asks the system.
#[derive(Clone, Debug)]
pub(crate) struct Names;

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        if STARTS.load(Ordering::Relaxed) > 0 {
            return DnsFuture::ready(addresses(name).map_err(ResolveDnsError::new));
        }
        let name = name.to_owned();
        DnsFuture::new(async move {
            let asked = tokio::task::spawn_blocking(move || addresses(&name)).await;
            asked.map_err(ResolveDnsError::new)?.map_err(ResolveDnsError::new)
        })
    }
}

fn addresses(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}
