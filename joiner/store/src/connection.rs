//! Connections to ClickHouse that the `clickhouse` crate's own client does not make: to servers whose certificates a
//! private authority has signed, and to whichever of several servers answers.

use crate::servers::{AnyServer, Servers};
use hyper_tls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tapewire_runtime::CaCertificates;

/// The keep-alive of the `clickhouse` crate's own client.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// ClickHouse closes idle connections after 3 seconds.
const IDLE: Duration = Duration::from_secs(2);

/// A client of ClickHouse that trusts the system's authorities and `more`, and asks one of `servers` if there are
/// several.
pub(crate) fn client(more: Option<&CaCertificates>, servers: Option<Servers>) -> clickhouse::Client {
    let builder = || {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE);
        builder
    };
    match (more, servers) {
        (None, None) => clickhouse::Client::default(),
        (Some(more), None) => clickhouse::Client::with_http_client(builder().build(trusting(more))),
        (more, Some(servers)) => {
            let connector = more.map_or_else(|| HttpsConnector::new_with_connector(tcp()), trusting);
            clickhouse::Client::with_http_client(builder().build(AnyServer { servers, connector }))
        }
    }
}

fn trusting(authorities: &CaCertificates) -> HttpsConnector<HttpConnector> {
    HttpsConnector::from((tcp(), authorities.connector().into()))
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.enforce_http(false);
    tcp
}
