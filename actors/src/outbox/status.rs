//! How the daemon and its bus get on, for whoever asks. A change is told once in the log, and
//! not again while it stays.

use crate::clock;
use resus_bus::link::Link;
use resus_bus::nats::{NatsError, Server};
use resus_bus::setup::{BusSetup, Choice};
use resus_core::api::bus::{BusState, BusView};
use resus_core::moment::rfc3339;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of the bus.
pub(crate) struct Status {
    view: Mutex<BusView>,
    alarms: Mutex<BTreeMap<&'static str, String>>,
    /// Position of the newest event that the server has acknowledged.
    acknowledged: AtomicU64,
    outbox_alarm: u64,
}

impl Status {
    pub(crate) fn new(setup: &BusSetup) -> Self {
        let (state, url) = match &setup.choice {
            Choice::Local => (BusState::Local, String::new()),
            Choice::External(link) => (BusState::Starting, link.to_string()),
            Choice::Managed(_) => (BusState::Starting, "managed".to_owned()),
        };
        let since = rfc3339(clock::now().unix_ms);
        let namespace = setup.namespace.to_string();
        Self {
            view: Mutex::new(BusView { state, url, namespace, since, ..BusView::default() }),
            alarms: Mutex::default(),
            acknowledged: AtomicU64::new(0),
            outbox_alarm: setup.outbox_alarm,
        }
    }

    fn view(&self) -> MutexGuard<'_, BusView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, state: BusState, link: &Link, reason: Option<String>) -> bool {
        let mut view = self.view();
        let changed = view.state != state || view.reason != reason;
        if view.state != state {
            view.since = rfc3339(clock::now().unix_ms);
        }
        (view.state, view.url, view.reason) = (state, link.to_string(), reason);
        changed
    }

    /// A session has begun.
    pub(super) fn connected(&self, link: &Link, server: &Server) {
        self.enter(BusState::Connected, link, None);
        self.clear("BUS_UNAVAILABLE");
        self.clear("BUS_OPEN_TO_ALL");
        if server.open_to_all && !link.is_loopback() {
            let what =
                "the NATS server asks nobody who they are: whoever reaches it can start, stop and forge";
            self.alarm("BUS_OPEN_TO_ALL", what.to_owned());
        }
        let mut view = self.view();
        view.server_version = Some(server.version.clone());
        view.jetstream = server.without_jetstream.is_none();
        view.lacking = server.without_jetstream.iter().chain(&server.lacking).cloned().collect();
        tracing::info!(
            url = view.url,
            server = server.version,
            jetstream = view.jetstream,
            lacking = ?view.lacking,
            "connected to the NATS server"
        );
    }

    /// A session could not begin, or has ended.
    pub(super) fn failed(&self, link: &Link, error: &NatsError) {
        let state = match error {
            NatsError::Refused { .. } | NatsError::Unusable { .. } => BusState::Refused,
            NatsError::Away { .. } | NatsError::Failed(_) => BusState::Away,
        };
        let reason = error.to_string();
        if !self.enter(state, link, Some(reason.clone())) {
            return;
        }
        if state == BusState::Refused {
            let what = format!("{reason}; trainings go on, events wait in the ledger");
            self.alarm("BUS_UNAVAILABLE", what);
        } else {
            tracing::warn!(reason, "no NATS server; trainings go on, events wait in the ledger");
        }
    }

    /// The server that we run ourselves is not there.
    pub(crate) fn without_server(&self, why: &str, alarm: bool) {
        let mut view = self.view();
        if view.state == BusState::Connected {
            // The session's end will be told.
            return;
        }
        view.state = BusState::Away;
        view.reason = Some(why.to_owned());
        drop(view);
        if alarm {
            self.alarm("BUS_UNAVAILABLE", format!("{why}; trainings go on, events wait in the ledger"));
        }
    }

    /// Somebody should look at this.
    pub(super) fn alarm(&self, code: &'static str, what: String) {
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        if alarms.get(code) != Some(&what) {
            tracing::error!(code, what, "an alarm of the bus");
            alarms.insert(code, what);
        }
    }

    fn clear(&self, code: &'static str) {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner).remove(code);
    }

    /// The server has everything up to here.
    pub(super) fn acknowledged(&self, pos: u64) {
        self.acknowledged.store(pos, Relaxed);
    }

    /// How many events wait, with the ledger at `ledger_pos`; too many are an alarm.
    pub(super) fn waiting(&self, ledger_pos: u64) -> u64 {
        let waiting = ledger_pos.saturating_sub(self.acknowledged.load(Relaxed));
        if waiting > self.outbox_alarm {
            let most = self.outbox_alarm;
            self.alarm("BUS_BACKLOG", format!("more than {most} events wait for the NATS server"));
        } else {
            self.clear("BUS_BACKLOG");
        }
        waiting
    }

    /// As it is now, with the ledger at `ledger_pos`.
    pub(crate) fn now(&self, ledger_pos: u64, left_out: u64) -> BusView {
        let mut view = self.view().clone();
        view.left_out = left_out;
        if view.state == BusState::Local {
            return view;
        }
        view.waiting = self.waiting(ledger_pos);
        let alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        view.alarms = alarms.iter().map(|(code, what)| format!("{code}: {what}")).collect();
        view
    }
}
