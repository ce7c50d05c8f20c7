//! Settings that become others while the daemon lives.

use super::Door;
use resus_core::policy::Policy;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Settings that may become others while a system lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Policy of runs that say nothing else.
    pub policy: Policy,
    /// Largest share of its disk's time that a worker may take to save, in percent; a worker is
    /// told when it is started.
    pub disk_share_percent: u8,
    /// End when nothing was to do for so long; `None` = never.
    pub idle_exit: Option<Duration>,
}

impl Door {
    /// Lets other settings apply: the policy to runs accepted from now on, the rest from now on.
    pub fn retune(&self, tuning: Tuning) {
        self.0.registry.set_policy(tuning.policy);
        self.0.disk_share_percent.store(tuning.disk_share_percent, Ordering::Relaxed);
        self.0.idle_exit.send_replace(tuning.idle_exit);
    }
}
