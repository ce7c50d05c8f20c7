//! A home whose daemon speaks on a server, and what is asked of both.

use resus_tests::{Home, NatsClient, NatsOptions, NatsServer, Version};
use serde_json::Value;

/// The server's stream of what must not be lost.
pub const LEDGER: &str = "PULSE_LEDGER";

pub struct Rig {
    // The home goes first: its daemon would look for the server.
    pub home: Home,
    pub server: NatsServer,
}

impl Rig {
    /// A daemon (once a command starts it) and a server of this version with JetStream.
    pub fn of(version: Version) -> Self {
        let server = NatsServer::start(version, NatsOptions { jetstream: true, ..NatsOptions::default() });
        let home = Home::new();
        speak_on(&home, &server.url(), "");
        Self { home, server }
    }

    pub fn new() -> Self {
        Self::of(Version::Newest)
    }

    /// The same through something that listens on `port`.
    pub fn through(port: u16, server: NatsServer) -> Self {
        let home = Home::new();
        speak_on(&home, &format!("nats://127.0.0.1:{port}"), "");
        Self { home, server }
    }

    pub fn client(&self) -> NatsClient {
        NatsClient::open(self.server.port())
    }

    /// A run whose worker enters `stages` stages, `pause` seconds apart, and is done.
    pub fn stages(&self, stages: u32, pause: &str) -> String {
        let script = format!(
            r#"say() {{ printf '{{"event_type":"%s","payload":{{%s}}}}\n' "$1" "$2" >> "$PULSE_EVENTS"; }}
            i=0
            while [ $i -lt {stages} ]; do
              i=$((i+1)); say stage_change "\"new_stage\":\"s$i\""
              say progress "\"unit\":\"step\",\"step\":$i,\"total_steps\":{stages}"
              {}
            done
            say run_complete '"status":"success"'"#,
            if pause == "0" { String::new() } else { format!("sleep {pause}") }
        );
        self.home.submit(&["--", "sh", "-c", &script])
    }

    /// What the daemon says of its bus.
    pub fn bus(&self) -> Value {
        let said = self.home.resus(&["daemon", "status", "--json"]);
        if said.code == 0 { said.json()["bus"].clone() } else { Value::Null }
    }

    /// Waits until the daemon says this of its bus.
    pub fn until_bus(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.home.wait_for(what, || Some(self.bus()).filter(&wanted))
    }

    /// Waits until the server has acknowledged the whole ledger.
    pub fn until_all_out(&self) {
        let _bus =
            self.until_bus("everything is out", |bus| bus["state"] == "connected" && bus["waiting"] == 0);
    }

    /// Asserts that the stream has every event of the ledger of these runs once and in order, as
    /// it is in the ledger.
    pub fn assert_all_there(&self, runs: &[&str]) {
        self.until_all_out();
        let stream = self.client().stream(LEDGER);
        for run in runs {
            let ledger = self.home.events(run);
            let of_run = stream.iter().filter(|(_, message)| message.subject.contains(run));
            let there: Vec<_> = of_run.map(|(_, message)| message.json()).collect();
            assert_eq!(ids(&there), ids(&ledger), "run {run}");
            assert_eq!(there, ledger);
        }
    }
}

pub fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event_id"].as_str().unwrap()).collect()
}

/// Makes the home's daemon speak on `url`.
pub fn speak_on(home: &Home, url: &str, more: &str) {
    home.configure(&format!("[bus]\nurl = \"{url}\"\n{more}\n[daemon]\nnode = \"box\"\n"));
}
