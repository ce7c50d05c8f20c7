//! What is known to be secret or private on this machine: values of variables of this process, of the
//! daemon and of the workers that live; the credentials of the bus; names of host, user and home.

use crate::bundle::redact::Known;
use crate::doctor::examine::Findings;
use crate::doctor::proc::user_name;
use resus_bus::link::{Auth, Link};
use resus_core::secret::is_secret_name;
use rustix::process::geteuid;
use rustix::system::uname;
use std::env;
use std::fs;

/// All that is known.
pub(super) fn known(findings: &Findings) -> Known {
    let own = env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    let pids = findings.daemon.iter().map(|daemon| daemon.pid);
    let workers = findings.runs.iter().flat_map(|list| &list.runs).filter_map(|run| run.pid);
    let others = pids.chain(workers).flat_map(environment);
    let secrets = own.chain(others).filter(|(name, _)| is_secret_name(name)).map(|(_, value)| value);
    let var = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let host = uname().nodename().to_string_lossy().into_owned();
    let short = host.split('.').next().unwrap_or(&host).to_owned();
    let node = findings.daemon.as_ref().map(|daemon| daemon.node.clone());
    Known {
        secrets: secrets.chain(findings.link.iter().flat_map(of_link)).collect(),
        homes: var("HOME").into_iter().chain(home_of(geteuid().as_raw())).collect(),
        users: var("USER").into_iter().chain(var("LOGNAME")).chain(user_name(geteuid().as_raw())).collect(),
        hosts: [host, short].into_iter().chain(var("HOSTNAME")).chain(node).collect(),
    }
}

/// The environment of a process at its start, as far as it is ours to read.
fn environment(pid: u32) -> Vec<(String, String)> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn of_link(link: &Link) -> Vec<String> {
    match &link.auth {
        Auth::None => Vec::new(),
        Auth::UserPassword { password, .. } => vec![password.reveal().to_owned()],
        Auth::Token(secret) | Auth::NKey(secret) | Auth::Credentials(secret) => {
            vec![secret.reveal().to_owned()]
        }
    }
}

/// The home folder of a user, whatever `HOME` says.
fn home_of(us: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let home = users.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(us)).then(|| fields.get(5).map(|home| (*home).to_owned()))?
    });
    // That of root is no secret, and a short word.
    home.filter(|home| home != "/root")
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_bus::link::Secret;

    #[test]
    fn a_process_tells_its_environment_and_a_link_its_secret() {
        let own = environment(std::process::id());
        assert!(own.iter().any(|(name, _)| name == "PATH"), "{own:?}");
        assert_eq!(environment(u32::MAX), []);
        let link = |auth| Link { auth, ..Link::parse("h").unwrap() };
        assert_eq!(of_link(&link(Auth::Token(Secret::new("t")))), ["t"]);
        assert_eq!(of_link(&link(Auth::None)), [""; 0]);
    }
}
