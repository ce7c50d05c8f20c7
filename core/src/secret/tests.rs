use super::*;

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn arguments_keep_their_names_and_lose_their_secrets() {
    for (argv, shown) in [
        (vec!["--api-key", "abc", "--lr", "1"], vec!["--api-key", "***", "--lr", "1"]),
        (vec!["--token=x y", "KEYBOARD=us"], vec!["--token=***", "KEYBOARD=us"]),
        (vec!["--token", "--verbose"], vec!["--token", "--verbose"]),
        (vec!["env", "HF_TOKEN=a=b", "python"], vec!["env", "HF_TOKEN=***", "python"]),
        (vec!["postgres://me:geheim@db/x?y"], vec!["postgres://me:***@db/x?y"]),
        (vec!["--password", "a", "b"], vec!["--password", "***", "b"]),
        (vec!["--ssl-key", "/etc/k.pem"], vec!["--ssl-key", "/etc/k.pem"]),
        (vec!["wandb.api_key=0123"], vec!["wandb.api_key=***"]),
        (vec!["-H", "Authorization: Bearer a.b"], vec!["-H", "Authorization: Bearer ***"]),
        (vec!["--max-tokens", "4096", "--key"], vec!["--max-tokens", "4096", "--key"]),
        (
            vec!["sh", "-c", "export TOKEN='a b' X=1; curl -u x --secret s3 \"$A\" # key point"],
            vec!["sh", "-c", "export TOKEN='***' X=1; curl -u x --secret *** \"$A\" # key point"],
        ),
        (vec!["{\"api_key\": \"v 1\", \"lr\": 2}"], vec!["{\"api_key\": \"***\", \"lr\": 2}"]),
    ] {
        assert_eq!(mask_argv(&strings(&argv)), shown, "{argv:?}");
    }
}

#[test]
fn what_holds_no_secret_is_not_touched() {
    for text in [
        "python train.py --lr 1e-3 --data=/a/b --name x",
        "key point: see the token at the end",
        "",
        "error: author not found in https://host:80/a?b=c",
        "résumé 训练 [1, 2] {a: b}",
        "a=b c:d 'e' \"f",
    ] {
        assert_eq!(mask_text(text), text);
        assert_eq!(mask_argv(&strings(&[text])), [text]);
    }
}

#[test]
fn values_are_found_in_texts() {
    let secrets =
        Secrets::from_values(["hunter22", "short", "line one\nline two!!", "hunter22-long"].into_iter());
    assert_eq!(secrets.mask("a hunter22 b hunter22-long c short"), "a *** b *** c short");
    assert_eq!(secrets.mask("x line two!! y"), "x *** y");
    assert_eq!(secrets.mask("x line one · line two!! y"), "x *** y");
    assert_eq!(secrets.mask("cut hunte…"), "cut ***…");
    assert_eq!(secrets.mask("cut hu…"), "cut hu…");
    assert_eq!(format!("{secrets:?}"), "Secrets(5)");
    assert!(Secrets::from_values(["12345", ""].into_iter()).is_empty());
}

#[test]
fn bytes_are_masked_in_place_and_at_the_edges() {
    let secrets = Secrets::from_values(["hunter22"].into_iter());
    let masked = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        secrets.mask_bytes(&mut bytes, true);
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(masked("a hunter22 hunter22hunter22."), "a ******** ****************.");
    assert_eq!(masked("ends with hunte"), "ends with hunte");
    assert_eq!(
        (secrets.begun(b"ends with hunte"), secrets.begun(b"hunter22"), secrets.begun(b"")),
        (5, 0, 0)
    );
    assert_eq!(masked("nter22 begins"), "****** begins");
    assert_eq!(masked("r22"), "r22");
    let mut whole = b"nter22 begins".to_vec();
    secrets.mask_bytes(&mut whole, false);
    assert_eq!(whole, b"nter22 begins", "nothing is before it");
    assert_eq!(Secrets::from_values(["abcabc"].into_iter()).bytes_max(), 6);
}

/// A generator without a crate: splitmix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn ten_thousand_secrets_are_masked_wherever_they_stand() {
    let mut seed = 7;
    let letters: Vec<char> =
        ('a'..='z').chain('A'..='Z').chain('0'..='9').chain("_-+/=!$%^~".chars()).collect();
    for trial in 0..10_000_u32 {
        let length = 8 + (next(&mut seed) % 40) as usize;
        // Its first letter is none of a flag's or a path's.
        let mut secret = String::from("Q");
        secret.extend((0..length).map(|_| letters[next(&mut seed) as usize % letters.len()]));
        let argv = match trial % 6 {
            0 => vec!["--token".to_owned(), secret.clone()],
            1 => vec![format!("--db-password={secret}")],
            2 => vec![format!("API_KEY={secret}")],
            3 => vec!["sh".into(), "-c".into(), format!("export WANDB_API_KEY='{secret}'; run")],
            4 => vec![format!("nats://me:{secret}@host:4222")],
            _ => vec!["-H".into(), format!("Authorization: Bearer {secret}")],
        };
        let shown = mask_argv(&argv).join(" ");
        assert!(!shown.contains(&secret), "{argv:?} -> {shown}");
        let secrets = Secrets::from_values([secret.as_str()].into_iter());
        let mut output = format!("x{secret}y{secret}").into_bytes();
        let cut = next(&mut seed) as usize % output.len();
        let length = output.len();
        secrets.mask_bytes(&mut output[..], true);
        assert!(!String::from_utf8_lossy(&output).contains(&secret[..4]), "{secret}");
        assert_eq!(output.len(), length);
        let mut piece = format!("x{secret}y").into_bytes();
        piece.truncate(cut);
        secrets.mask_bytes(&mut piece, true);
        piece.truncate(piece.len() - secrets.begun(&piece));
        assert!(!String::from_utf8_lossy(&piece).contains(&secret[..4]), "{secret} cut at {cut}");
    }
}
