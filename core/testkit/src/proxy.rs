//! A TCP proxy between clients and a server, with which a test chooses what the network does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// Most bytes that are read at once.
const CHUNK: usize = 16 << 10;
/// Most reads that are on their way in one direction of a connection.
const ON_THEIR_WAY: usize = 64;

/// What the network does with connections and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Bytes arrive at once.
    Whole,
    /// In each direction of a connection, bytes arrive `latency` after they were sent, and at most `bytes_per_s` of
    /// them.
    Slow {
        /// The time from sending to arrival.
        latency: Duration,
        /// Bytes a second, not 0.
        bytes_per_s: u32,
    },
    /// Connections are accepted and nothing arrives. Afterwards everything does, as when a cable was out for a moment:
    /// TCP sends again what was lost.
    Held,
    /// Open connections are reset, and new ones refused.
    Cut,
    /// Connections are accepted, and what is sent is lost. No byte and no end ever arrives on the connections of this
    /// time, as behind a firewall that has forgotten them. Only later ones work.
    BlackHole,
}

/// The proxy. It runs on a thread of its own until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    open: AtomicU64,
    struck: AtomicU64,
}

impl Proxy {
    /// Listens at `address` for connections to `server`, which need not run yet. At first the network is whole.
    ///
    /// # Errors
    /// The address can't be used.
    pub fn start(address: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        // Another than the given one, if its port is 0.
        let address = listener.local_addr()?;
        let (network, changes) = watch::channel(Network::Whole);
        let counts = Arc::new(Counts::default());
        let way = Way { address, server, network: changes, counts: Arc::clone(&counts) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            // Dropping the runtime drops the connections.
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener that does not block can be used");
                way.serve(Some(listener)).await;
            });
        };
        std::thread::Builder::new().name("proxy".into()).spawn(run)?;
        Ok(Self { address, network, counts })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the network, for open connections, too.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// Number of open connections.
    pub fn connections(&self) -> u64 {
        self.counts.open.load(Ordering::Acquire)
    }

    /// Number of connections that were reset by [`Network::Cut`] or lost in a [`Network::BlackHole`], so far.
    pub fn struck(&self) -> u64 {
        self.counts.struck.load(Ordering::Acquire)
    }
}

/// What the thread and its connections have in common.
#[derive(Clone)]
struct Way {
    address: SocketAddr,
    server: SocketAddr,
    network: watch::Receiver<Network>,
    counts: Arc<Counts>,
}

/// How a connection ended.
enum End {
    /// By itself, or with the proxy.
    Closed,
    Cut,
    Lost,
}

impl Way {
    /// Accepts connections until the proxy is dropped.
    async fn serve(mut self, mut listener: Option<TcpListener>) {
        loop {
            // Without a listener connections are refused.
            if *self.network.borrow_and_update() == Network::Cut {
                listener = None;
            } else if listener.is_none() {
                listener = TcpListener::bind(self.address).await.ok();
            }
            let accepted = async {
                match &listener {
                    Some(listener) => listener.accept().await,
                    // The port may be taken for a moment.
                    None => {
                        sleep(Duration::from_millis(20)).await;
                        Err(io::ErrorKind::NotConnected.into())
                    }
                }
            };
            tokio::select! {
                changed = self.network.changed() => if changed.is_err() { return },
                accepted = accepted => if let Ok((client, _)) = accepted {
                    tokio::spawn(self.clone().connection(client));
                },
            }
        }
    }

    async fn connection(mut self, mut client: TcpStream) {
        let _open = Open::new(&self.counts);
        drop(self.network.wait_for(|network| *network != Network::Held).await);
        let now = *self.network.borrow();
        if now == Network::BlackHole {
            self.counts.struck.fetch_add(1, Ordering::AcqRel);
            return lost(client).await;
        }
        let Ok(mut server) = TcpStream::connect(self.server).await else { return reset(client) };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let end = {
            let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
            let there = pass(from_client, to_server, self.network.clone());
            let back = pass(from_server, to_client, self.network.clone());
            tokio::select! {
                _ = async { tokio::try_join!(there, back) } => End::Closed,
                end = struck(self.network.clone()) => end,
            }
        };
        if !matches!(end, End::Closed) {
            self.counts.struck.fetch_add(1, Ordering::AcqRel);
        }
        match end {
            End::Closed => {}
            End::Cut => {
                reset(client);
                reset(server);
            }
            // The server is not told until the client gives up.
            End::Lost => lost(client).await,
        }
    }
}

/// Waits until the network ends connections.
async fn struck(mut network: watch::Receiver<Network>) -> End {
    match network.wait_for(|network| matches!(network, Network::Cut | Network::BlackHole)).await {
        Ok(network) if *network == Network::Cut => End::Cut,
        Ok(_) => End::Lost,
        Err(_) => End::Closed,
    }
}

/// Closes a connection without saying goodbye.
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// Takes what the client sends, and answers nothing, until the client closes.
async fn lost(mut client: TcpStream) {
    let mut bytes = [0; 4096];
    while client.read(&mut bytes).await.is_ok_and(|length| length > 0) {}
}

/// Passes bytes on in one direction, until their end.
async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut network: watch::Receiver<Network>) -> io::Result<()> {
    let (sender, mut on_their_way) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THEIR_WAY);
    let reading = async move {
        loop {
            let mut bytes = vec![0; CHUNK];
            let length = from.read(&mut bytes).await?;
            bytes.truncate(length);
            if length == 0 || sender.send((Instant::now(), bytes)).await.is_err() {
                return io::Result::Ok(());
            }
        }
    };
    let writing = async move {
        while let Some((sent, bytes)) = on_their_way.recv().await {
            arrive(sent, bytes.len(), &mut network).await;
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(reading, writing).map(drop)
}

/// Waits until bytes that were sent at `sent` arrive.
async fn arrive(sent: Instant, length: usize, network: &mut watch::Receiver<Network>) {
    drop(network.wait_for(|network| *network != Network::Held).await);
    let now = *network.borrow();
    if let Network::Slow { latency, bytes_per_s } = now {
        sleep_until(sent + latency).await;
        sleep(Duration::from_secs_f64(length as f64 / f64::from(bytes_per_s))).await;
    }
}

/// Counts a connection while it is open.
struct Open(Arc<Counts>);

impl Open {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    /// Longest wait for what has to happen.
    const PATIENCE: Duration = Duration::from_secs(20);
    /// How long nothing must happen.
    const SILENCE: Duration = Duration::from_millis(300);

    fn loopback() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    /// A server that sends back what it is sent.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut bytes) {
                        let _ = stream.write_all(&bytes[..length]);
                    }
                });
            }
        });
        address
    }

    fn proxy() -> Proxy {
        Proxy::start(loopback(), echo()).unwrap()
    }

    fn client(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// What comes back of `sent` within `wait`.
    fn back(stream: &mut TcpStream, sent: &[u8], wait: Duration) -> io::Result<Vec<u8>> {
        stream.write_all(sent)?;
        received(stream, sent.len(), wait)
    }

    fn received(stream: &mut TcpStream, length: usize, wait: Duration) -> io::Result<Vec<u8>> {
        stream.set_read_timeout(Some(wait))?;
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn is_silent(received: &io::Result<Vec<u8>>) -> bool {
        matches!(received, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    fn until(what: &str, mut condition: impl FnMut() -> bool) {
        let began = Instant::now();
        while !condition() {
            assert!(began.elapsed() < PATIENCE, "not true within {PATIENCE:?}: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_whole_network_passes_everything_on_and_the_end() {
        let proxy = proxy();
        let mut stream = client(&proxy);
        let sent: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
        let mut writer = stream.try_clone().unwrap();
        let copy = sent.clone();
        let writing = std::thread::spawn(move || writer.write_all(&copy));
        assert!(received(&mut stream, sent.len(), PATIENCE).unwrap() == sent, "the bytes differ");
        writing.join().unwrap().unwrap();
        assert_eq!((proxy.connections(), proxy.struck()), (1, 0));
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        drop(stream);
        until("the connection is closed", || proxy.connections() == 0);
    }

    #[test]
    fn a_slow_network_delays_and_limits_each_direction() {
        let proxy = proxy();
        let mut stream = client(&proxy);
        back(&mut stream, b"a", PATIENCE).unwrap();
        proxy.set(Network::Slow { latency: Duration::from_millis(150), bytes_per_s: u32::MAX });
        let began = Instant::now();
        assert_eq!(back(&mut stream, b"b", PATIENCE).unwrap(), b"b");
        assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
        proxy.set(Network::Slow { latency: Duration::ZERO, bytes_per_s: 20_000 });
        let began = Instant::now();
        back(&mut stream, &[7; 8_000], PATIENCE).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    }

    #[test]
    fn what_is_held_arrives_later() {
        let proxy = proxy();
        let mut stream = client(&proxy);
        back(&mut stream, b"a", PATIENCE).unwrap();
        proxy.set(Network::Held);
        let held = back(&mut stream, b"b", SILENCE);
        assert!(is_silent(&held), "{held:?}");
        let mut new = client(&proxy);
        let held = back(&mut new, b"n", SILENCE);
        assert!(is_silent(&held), "{held:?}");
        proxy.set(Network::Whole);
        assert_eq!(received(&mut stream, 1, PATIENCE).unwrap(), b"b");
        assert_eq!(received(&mut new, 1, PATIENCE).unwrap(), b"n");
        assert_eq!(proxy.struck(), 0);
    }

    #[test]
    fn a_cut_resets_what_is_open_and_refuses_what_is_new() {
        let proxy = proxy();
        let mut stream = client(&proxy);
        back(&mut stream, b"a", PATIENCE).unwrap();
        proxy.set(Network::Cut);
        let error = received(&mut stream, 1, PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        let is_refused = || {
            let connected = TcpStream::connect(proxy.address());
            connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        };
        until("new connections are refused", is_refused);
        // Those of `is_refused` that came before the proxy had stopped listening are cut, too.
        assert!(proxy.struck() >= 1);
        proxy.set(Network::Whole);
        until("new connections work", || {
            let connected = TcpStream::connect(proxy.address());
            connected.is_ok_and(|mut stream| back(&mut stream, b"b", PATIENCE).is_ok())
        });
    }

    #[test]
    fn connections_of_a_black_hole_stay_silent_and_later_ones_work() {
        let proxy = proxy();
        let mut before = client(&proxy);
        back(&mut before, b"a", PATIENCE).unwrap();
        proxy.set(Network::BlackHole);
        until("the open connection is lost", || proxy.struck() == 1);
        let mut within = client(&proxy);
        for stream in [&mut before, &mut within] {
            let answer = back(stream, b"b", SILENCE);
            assert!(is_silent(&answer), "{answer:?}");
        }
        assert_eq!(proxy.struck(), 2);
        proxy.set(Network::Whole);
        assert_eq!(back(&mut client(&proxy), b"c", PATIENCE).unwrap(), b"c");
        for stream in [&mut before, &mut within] {
            let answer = back(stream, b"d", SILENCE);
            assert!(is_silent(&answer), "{answer:?}");
        }
    }

    #[test]
    fn without_a_server_a_connection_is_closed_and_without_a_proxy_refused() {
        let nobody = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
        let proxy = Proxy::start(loopback(), nobody).unwrap();
        let mut stream = client(&proxy);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        match stream.read(&mut [0; 1]) {
            Ok(length) => assert_eq!(length, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
        let address = proxy.address();
        drop(proxy);
        until("nobody listens any more", || TcpStream::connect(address).is_err());
    }
}
