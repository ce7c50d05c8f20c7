//! The ports of a managed server: free, or whose.

use crate::doctor::Check;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};

/// State of a listening socket in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// Who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Nobody.
    Free,
    /// A process of ours.
    Process {
        /// Its id.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// Somebody whose processes we can't see.
    Somebody,
}

/// A port that the settings name, or that the last server had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    /// What for, e.g. `bus.port`.
    pub key: &'static str,
    /// Its number.
    pub number: u16,
    /// Who has it.
    pub holder: Holder,
}

/// Who listens on `port` of this machine.
pub(crate) fn holder(port: u16) -> Holder {
    if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
        return Holder::Free;
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inodes: Vec<u64> = tables.iter().flat_map(|table| listeners(table, port)).collect();
    inodes.iter().find_map(|inode| process_of(*inode)).unwrap_or(Holder::Somebody)
}

/// The sockets that listen on `port`, from the text of `/proc/net/tcp` (proc(5)).
fn listeners(table: &str, port: u16) -> Vec<u64> {
    let is_ours = |fields: &[&str]| {
        let local = fields.get(1).and_then(|local| local.rsplit_once(':'));
        fields.get(3) == Some(&LISTENS)
            && local.is_some_and(|(_, hex)| u16::from_str_radix(hex, 16) == Ok(port))
    };
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|fields| is_ours(fields)).filter_map(|fields| fields.get(9)?.parse().ok()).collect()
}

fn process_of(inode: u64) -> Option<Holder> {
    let wanted = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let mut files = fs::read_dir(entry.path().join("fd")).ok()?.filter_map(Result::ok);
        files.any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str())).then(
            || {
                let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                Holder::Process { pid, name: name.trim().to_owned() }
            },
        )
    })
}

/// The ports of a managed bus; `server` is the process of its server, if it runs.
pub(crate) fn ports(wanted: &[Port], server: Option<u32>) -> Check {
    const WHAT: &str = "ports";
    if wanted.is_empty() {
        return Check::good(WHAT, "none is needed");
    }
    let mut told = Vec::new();
    let mut is_taken = false;
    for Port { key, number, holder } in wanted {
        let (by, taken) = match holder {
            Holder::Free => ("free".to_owned(), false),
            Holder::Process { pid, .. } if Some(*pid) == server => ("our server's".to_owned(), false),
            Holder::Process { pid, name } => (format!("taken by {name} (pid {pid})"), true),
            Holder::Somebody => ("taken by somebody whose processes we can't see".to_owned(), true),
        };
        told.push(format!("{key} {number} is {by}"));
        is_taken |= taken;
    }
    let told = told.join("; ");
    if is_taken {
        let said =
            format!("{told}: the server takes the next free one, and addresses that people wrote down fail");
        return Check::warning(WHAT, said, "end that program, or set another port in [bus]; resus nats info");
    }
    Check::good(WHAT, told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark::{Good, Warning};

    #[test]
    fn who_has_a_port_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = holder(port);
        let Holder::Process { pid, .. } = found else { panic!("{found:?}") };
        assert_eq!(pid, std::process::id());
        drop(listener);
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:107E 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 77 1\n\
             1: 0100007F:107E 00000000:0000 01 00000000:00000000 00:00000000 00000000  1000        0 78 1\n";
        assert_eq!(listeners(table, 4222), [77]);
        assert_eq!(listeners(table, 1), [0; 0]);
    }

    #[test]
    fn a_port_of_somebody_else_is_told() {
        let of =
            |holder: Holder, server| ports(&[Port { key: "bus.port", number: 4222, holder }], server).mark;
        let process = |pid| Holder::Process { pid, name: "x".to_owned() };
        assert_eq!([of(Holder::Free, None), of(process(7), Some(7))], [Good; 2]);
        assert_eq!(
            [of(process(7), None), of(process(7), Some(8)), of(Holder::Somebody, Some(7))],
            [Warning; 3]
        );
        assert_eq!(ports(&[], None).mark, Good);
    }
}
