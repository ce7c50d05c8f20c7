//! Contexts as documents; what is kept where is tried from outside, with folders of its own.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn context() -> Context {
    Context { nats: "nats://h".into(), ..Context::default() }
}

#[test]
fn a_context_reads_back() {
    let whole = Context {
        node: Some("gpu-a1".into()),
        user: Some("a \"b\" \\ ü".into()),
        tls_ca: Some("/ca.pem".into()),
        ..context()
    };
    assert_eq!(toml::from_str::<Context>(&whole.text().unwrap()).unwrap(), whole);
    assert!(toml::from_str::<Context>("nats = \"h\"\npasword = \"x\"").is_err());
    assert!(Context { user: Some("a\u{7f}".into()), ..context() }.text().is_err());
}

#[test]
fn secrets_come_out_of_files_and_never_stand_in_an_address() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("password");
    write(&path, "s3cret \n").unwrap();
    let file = Some(path.to_str().unwrap().to_owned());
    let with_password = Context { user: Some("ann".into()), password_file: file.clone(), ..context() };
    let Auth::UserPassword { user, password } = with_password.link().unwrap().auth else { panic!("no user") };
    assert_eq!((user.as_str(), password.reveal()), ("ann", "s3cret "));
    assert!(with_password.check().is_ok());
    let in_address = Context { nats: "nats://ann:s3cret@h".into(), ..Context::default() };
    let error = in_address.check().unwrap_err();
    assert!(!format!("{error}{error:?}").contains("s3cret"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(with_password.link().is_err(), "others may read it");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    for twice in [
        Context { token_file: file.clone(), ..with_password.clone() },
        Context { token_file: file.clone(), ..in_address },
        Context { password_file: file.clone(), ..context() },
        Context { tls_cert: file.clone(), ..context() },
        Context { creds_file: Some("/nowhere".into()), ..context() },
        Context { user: Some("ann".into()), token_file: file.clone(), ..context() },
    ] {
        assert!(twice.link().is_err(), "{twice:?}");
    }
}

#[test]
fn an_empty_secret_and_a_key_that_others_may_read_are_refused_with_what_to_do() {
    let temp = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = temp.path().join(name);
        write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let empty = Context { token_file: Some(file("t", "\n")), ..context() };
    assert!(empty.link().unwrap_err().to_string().ends_with("/t is empty"));
    let key = file("k", "s3cret");
    let keyed = Context { tls_cert: Some(file("c", "x")), tls_key: Some(key.clone()), ..context() };
    assert!(keyed.link().unwrap().tls.client.is_some());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let CliError::Usage { what, next } = keyed.link().unwrap_err() else { panic!("not a fault of usage") };
    assert!(what.ends_with("/k can be read by others (mode 644)"), "{what}");
    assert_eq!(next, format!("chmod 600 {key}"));
}

#[test]
fn a_file_is_for_its_owner_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a/b.toml");
    write(&path, "x").unwrap();
    write(&path, "y").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "y");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn names_stay_within_their_folder() {
    for bad in ["../x", "a/b", "", "A", LOCAL] {
        assert!(file(bad).is_err(), "{bad}");
    }
}
