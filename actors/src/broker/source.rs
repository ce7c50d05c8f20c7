//! Where the daemon's links to a server come from, whoever runs that server.

use super::{Broker, BrokerStatus, ServerFolder, Told};
use resus_bus::link::Link;
use resus_bus::setup::{BusSetup, Choice};
use resus_core::ids::Slug;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The way to a server, as long as this lives.
pub(crate) struct Source {
    /// How to reach the server; `None` while, or if, there is none.
    pub links: watch::Receiver<Option<Arc<Link>>>,
    /// How the managed server is, if there is one.
    pub status: Option<watch::Receiver<BrokerStatus>>,
    /// Of a managed server: what ends it, and its task.
    running: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    /// Keeps a link that never changes from looking as if it were taken away.
    _constant: Option<watch::Sender<Option<Arc<Link>>>>,
}

impl Source {
    /// What `setup` chooses; a managed server is started, and not waited for.
    pub(crate) fn open(setup: &BusSetup, node: &Slug, state: &Path, boot_id: &str) -> Self {
        match &setup.choice {
            Choice::Local => Self::constant(None),
            Choice::External(link) => Self::constant(Some(Arc::new(link.clone()))),
            Choice::Managed(managed) => {
                let broker = Broker {
                    managed: managed.clone(),
                    setup: setup.clone(),
                    node: node.clone(),
                    folder: ServerFolder::of(state),
                    boot_id: boot_id.to_owned(),
                };
                let (links, link) = watch::channel(None);
                let (states, status) = watch::channel(BrokerStatus::Starting);
                let (stop, stopped) = watch::channel(false);
                let task = tokio::spawn(broker.run(Told { links, status: states }, stopped));
                Self { links: link, status: Some(status), running: Some((stop, task)), _constant: None }
            }
        }
    }

    fn constant(link: Option<Arc<Link>>) -> Self {
        let (sender, links) = watch::channel(link);
        Self { links, status: None, running: None, _constant: Some(sender) }
    }

    /// Ends a managed server; the last thing before the daemon goes.
    pub(crate) async fn close(self) {
        if let Some((stop, task)) = self.running {
            stop.send_replace(true);
            if let Err(error) = task.await {
                tracing::error!(%error, "the NATS server was left behind; the next daemon takes it over");
            }
        }
    }
}
