//! A server in the test's process, and the settings to reach it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use trustline::net::sftp::{
    Account, Deadlines, Faults, Login, ServeConfig, ServeEvent, ServeLimits, ServerKey,
    SftpDirectory, SftpFault, SftpSettings, SharedFaults, SharedTree, Tree, TreePath, connect,
    serve,
};

pub(crate) const USER: &str = "bulk";
pub(crate) const PASSWORD: &str = "lab-pass-1";

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../../testdata/sftp/", $name))
    };
}
pub(crate) use key;

pub(crate) struct Lab {
    pub(crate) address: SocketAddr,
    pub(crate) tree: SharedTree,
    pub(crate) faults: SharedFaults,
    events: Arc<Mutex<Vec<ServeEvent>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// As [`Lab::start`] has it, to be changed.
pub(crate) fn config() -> ServeConfig {
    let keys = [key!("login-ed25519.pub"), key!("login-rsa.pub")];
    let mut tree = Tree::default();
    tree.make_directory(&path("/bulk"), 0).unwrap();
    ServeConfig {
        accounts: vec![Account {
            name: USER.to_owned(),
            password: Some(PASSWORD.to_owned()),
            keys: keys.map(|line| line.parse().unwrap()).to_vec(),
        }],
        tree: Arc::new(Mutex::new(tree)),
        host_key: ServerKey::lab().unwrap(),
        limits: ServeLimits {
            refusal_pause: Duration::ZERO,
            ..ServeLimits::default()
        },
        faults: SharedFaults::default(),
    }
}

pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

impl Lab {
    pub(crate) async fn start() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: ServeConfig) -> Self {
        Self::on(listener().await, config)
    }

    /// A server at an address that another had.
    #[allow(dead_code, reason = "used where a server takes another's place")]
    pub(crate) async fn at(address: SocketAddr, config: ServeConfig) -> Self {
        Self::on(TcpListener::bind(address).await.unwrap(), config)
    }

    fn on(listener: TcpListener, config: ServeConfig) -> Self {
        let address = listener.local_addr().unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        let observer = Arc::new(move |event| log.lock().unwrap().push(event));
        let (stop, stopped) = oneshot::channel::<()>();
        let (tree, faults) = (Arc::clone(&config.tree), Arc::clone(&config.faults));
        let task = tokio::spawn(serve(listener, config, observer, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            tree,
            faults,
            events,
            stop,
            task,
        }
    }

    /// Settings that are right for the server.
    pub(crate) fn settings(&self) -> SftpSettings {
        settings(self.address)
    }

    pub(crate) async fn connect(&self) -> SftpDirectory {
        connect(&self.settings()).await.unwrap()
    }

    pub(crate) fn fail(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.lock().unwrap());
    }

    pub(crate) fn put(&self, at: &str, bytes: &[u8]) {
        self.tree
            .lock()
            .unwrap()
            .write(&path(at), bytes, 0)
            .unwrap();
    }

    pub(crate) fn get(&self, at: &str) -> Option<Vec<u8>> {
        let tree = self.tree.lock().unwrap();
        tree.read(&path(at)).ok().map(<[u8]>::to_vec)
    }

    pub(crate) fn events(&self) -> Vec<ServeEvent> {
        self.events.lock().unwrap().clone()
    }

    /// Waits for an event that comes by itself.
    pub(crate) async fn saw(&self, wanted: impl Fn(&ServeEvent) -> bool) {
        let seen = async {
            while !self.events().iter().any(&wanted) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(60), seen).await;
        assert!(seen.is_ok(), "{:?}", self.events());
    }

    pub(crate) async fn stop(self) -> Vec<ServeEvent> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        let events = self.events.lock().unwrap();
        events.clone()
    }
}

pub(crate) fn settings(address: SocketAddr) -> SftpSettings {
    let login = Login::Password(PASSWORD.to_owned());
    let host = address.ip().to_string();
    let mut settings = SftpSettings::new(host, address.port(), USER, login, "/bulk");
    // Generous, for a machine that builds something else meanwhile.
    settings.deadlines = Deadlines {
        connect: Duration::from_secs(60),
        login: Duration::from_secs(60),
        call: Duration::from_secs(60),
    };
    settings
}

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

pub(crate) async fn refused(settings: &SftpSettings) -> SftpFault {
    connect(settings)
        .await
        .expect_err("the connection is refused")
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}
