//! `resus nats`: how to reach the bus from outside.

use crate::command::Around;
use crate::daemon::bus::Present;
use crate::daemon::serve;
use crate::error::CliError;
use crate::render::nats::{Access, Certificates, NatsInfo, block};
use crate::settings::Settings;
use crate::settings::bus::BusSettings;
use clap::{Args, Subcommand};
use resus_bus::link::{Auth, Link};
use resus_bus::roles::Role;
use resus_bus::subject;
use resus_core::exit::ExitCode;
use serde_json::json;

/// Arguments of `resus nats`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus nats info
  resus nats info --json")]
pub(crate) struct NatsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show where the NATS server is and who may use it, ready to paste
    Info,
}

/// Carries out `resus nats`. Starts no daemon: it tells how things are set up here.
///
/// # Errors
/// [`CliError::Settings`], [`CliError::Output`].
pub(crate) fn nats(args: &NatsArgs, around: &Around) -> Result<ExitCode, CliError> {
    match args.what {
        What::Info => info(around),
    }
}

fn info(around: &Around) -> Result<ExitCode, CliError> {
    let settings = Settings::load()?;
    let present = Present::of(around.here()?, &settings.bus)?;
    let node = settings.node.clone().unwrap_or_else(serve::host_name).to_string();
    let Some(info) = describe(&present, &settings.bus, node) else {
        if around.console.json {
            around.console.out_json(&json!({ "kind": "local" }))?;
        } else {
            let text = "no NATS server is set up: events stay on this machine\n  \
                set bus.url = \"managed\" (or the address of a server) in config.toml, then: resus daemon restart\n";
            around.console.out(text)?;
        }
        return Ok(ExitCode::Ok);
    };
    if around.console.json {
        around.console.out_json(&info)?;
    } else {
        around.console.out(&block(&info, &around.console.out_page()))?;
    }
    Ok(ExitCode::Ok)
}

fn describe(present: &Present, settings: &BusSettings, node: String) -> Option<NatsInfo> {
    let common = NatsInfo {
        kind: "external",
        url: String::new(),
        running: None,
        pid: None,
        version: None,
        websocket_url: None,
        monitor_url: present.monitor_url(settings),
        namespace: settings.namespace.to_string(),
        node,
        streams: [subject::LEDGER_STREAM, subject::TELEMETRY_STREAM],
        bucket: subject::STATE_BUCKET,
        access: Vec::new(),
        tls: Certificates::default(),
    };
    match present {
        Present::Local => None,
        Present::External(link) => Some(NatsInfo {
            url: link.to_string(),
            access: vec![access(link, settings)],
            tls: Certificates {
                ca: settings.tls_ca.clone(),
                cert: settings.tls_cert.clone(),
                key: settings.tls_key.clone(),
            },
            ..common
        }),
        Present::Managed { folder, record, running } => {
            let port = record.as_ref().map_or(settings.port, |record| record.port);
            let user = |role: Role| Access::User {
                user: role.as_str().to_owned(),
                password_file: Some(folder.password_file(role)),
            };
            let websocket = record.as_ref().and_then(|record| record.websocket_port);
            Some(NatsInfo {
                kind: "managed",
                url: format!("nats://127.0.0.1:{port}"),
                running: Some(*running),
                pid: record.as_ref().filter(|_| *running).map(|record| record.process.pid),
                version: record.as_ref().map(|record| record.version.clone()),
                websocket_url: websocket.map(|port| format!("ws://127.0.0.1:{port}")),
                access: vec![user(Role::Viewer), user(Role::Operator)],
                ..common
            })
        }
    }
}

/// Who we are to a server of somebody else; the file if it came from one.
fn access(link: &Link, settings: &BusSettings) -> Access {
    let file = |path: &Option<std::path::PathBuf>| path.clone().unwrap_or_default();
    match &link.auth {
        Auth::None => Access::Nothing,
        Auth::UserPassword { user, .. } => {
            Access::User { user: user.clone(), password_file: settings.password_file.clone() }
        }
        Auth::Token(_) => Access::Token { token_file: settings.token_file.clone() },
        Auth::NKey(_) => Access::Nkey { nkey_file: file(&settings.nkey_file) },
        Auth::Credentials(_) => Access::Credentials { creds_file: file(&settings.creds_file) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_server_is_told_without_its_secrets() {
        let link = Link::parse("nats://ann:s3cret@far").expect("an address");
        let info = describe(&Present::External(link), &BusSettings::default(), "n".to_owned());
        let json = serde_json::to_string(&info).expect("a document");
        assert!(json.contains("nats://far:4222") && json.contains("\"user\":\"ann\""), "{json}");
        assert!(!json.contains("s3cret"), "{json}");
        assert_eq!(describe(&Present::Local, &BusSettings::default(), "n".to_owned()), None);
    }
}
