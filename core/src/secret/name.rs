//! Names that say: what is called so is secret.

/// A word that makes a name secret wherever it stands.
const STRONG: [&str; 13] = [
    "TOKEN",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWORDS",
    "PASSWD",
    "PASSPHRASE",
    "PW",
    "APIKEY",
    "BEARER",
    "AUTHORIZATION",
    "JWT",
    "DSN",
];
/// The same, but what is called so may also be the path of a file with it, which is none.
const WEAK: [&str; 7] = ["KEY", "CREDENTIAL", "CREDENTIALS", "CREDS", "AUTH", "COOKIE", "COOKIES"];
/// What a longer word may end with, as in `PGPASSWORD`.
const ENDINGS: [&str; 8] =
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "APIKEY", "ACCESSKEY", "PRIVATEKEY", "SECRETKEY"];
/// A name that ends so is about a secret: where it is, what it is called, how long it lives.
const ABOUT: [&str; 20] = [
    "FILE", "FILES", "PATH", "PATHS", "DIR", "SOCK", "SOCKET", "ID", "IDS", "NAME", "TYPE", "TTL", "LENGTH",
    "LEN", "COUNT", "SIZE", "METHOD", "ENABLED", "MODE", "STORE",
];
/// Names in which a token is a piece of text; none but these, for `PAD` or `STOP` may also be what a
/// service is called.
const OF_TEXT: [&str; 24] = [
    "PAD_TOKEN",
    "EOS_TOKEN",
    "BOS_TOKEN",
    "UNK_TOKEN",
    "MASK_TOKEN",
    "SEP_TOKEN",
    "CLS_TOKEN",
    "SPECIAL_TOKEN",
    "STOP_TOKEN",
    "EOT_TOKEN",
    "DECODER_START_TOKEN",
    "FORCED_BOS_TOKEN",
    "FORCED_EOS_TOKEN",
    "ADD_BOS_TOKEN",
    "ADD_EOS_TOKEN",
    "ADD_PREFIX_TOKEN",
    "NUM_TOKEN",
    "MAX_TOKEN",
    "MIN_TOKEN",
    "PER_TOKEN",
    "LOSS_PER_TOKEN",
    "TIME_PER_TOKEN",
    "NEXT_TOKEN_LOSS",
    "NEXT_TOKEN_ACCURACY",
];

/// Whether a variable, a parameter or a header of this name holds a secret: one of its words says
/// so. `HF_TOKEN`, `--api-key`, `PGPASSWORD` and `wandb.apiKey` do; `KEYBOARD`, `MAX_TOKENS`,
/// `--pad-token`, `KEY_FILE` and `AUTHOR` do not.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let is_about = words.len() > 1 && words.last().is_some_and(|last| ABOUT.contains(&last.as_str()));
    !is_about && !is_of_text(name) && (is_strong(&words) || is_weak(&words))
}

/// Whether `value` is a secret by its name.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    let is_path = value.starts_with('/') || value.starts_with("~/") || value.starts_with("./");
    !value.is_empty() && is_secret_name(name) && (!is_path || is_strong(&words(name)))
}

/// Whether the last part of a dotted name is one of a training's words.
fn is_of_text(name: &str) -> bool {
    let words = words(name.rsplit('.').next().unwrap_or(name));
    OF_TEXT.contains(&words.join("_").as_str())
}

fn is_strong(words: &[String]) -> bool {
    words.iter().enumerate().any(|(index, word)| {
        let word = word.as_str();
        match word {
            // Alone they are the working folder, a pattern, a round.
            "PWD" | "PASS" | "PAT" => index > 0,
            word => STRONG.contains(&word) || ENDINGS.iter().any(|end| word.ends_with(end)),
        }
    })
}

fn is_weak(words: &[String]) -> bool {
    let keys = || words.iter().any(|word| ["API", "ACCESS", "PRIVATE"].contains(&word.as_str()));
    words.iter().any(|word| WEAK.contains(&word.as_str()) || (word == "KEYS" && keys()))
}

/// The words of a name, in capitals: `apiKey`, `API_KEY` and `--api-key` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        let begins = !c.is_ascii_alphanumeric() || (was_small && c.is_ascii_uppercase());
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_uppercase());
        }
        was_small = c.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_secret() {
        let secret = "HF_TOKEN WANDB_API_KEY wandb.apiKey --api-key --token PGPASSWORD MYSQL_PWD DB_PASS \
                      AWS_SECRET_ACCESS_KEY github-token OPENAI_API_KEYS Authorization Cookie HTTP_AUTH \
                      accessToken CLIENT_CREDENTIALS x-auth-token MASTER_KEY NATSPASSWORD KEY password \
                      GITHUB_PAT DB_PW SENTRY_DSN jwt PW IMAGE_REGISTRY_TOKEN NEXT_PUBLIC_TOKEN \
                      STOP_SERVICE_TOKEN MAX_SERVER_TOKEN PAD_API_TOKEN SEP_MAIL_TOKEN NUM_VERIFY_TOKEN \
                      PAD_PASSWORD X_PASS";
        for name in secret.split_whitespace() {
            assert!(is_secret_name(name), "{name}");
        }
        let plain = "KEYBOARD KEYMAP MONKEY AUTHOR TOKENIZERS_PARALLELISM MAX_TOKENS --max-tokens --pad-token \
                     --eos_token_id PWD OLDPWD PATH AWS_ACCESS_KEY_ID KEY_FILE SSH_AUTH_SOCK PASSWORD_STORE \
                     password_file --keys COMPASS HOME LANG seed --lr token_count SECRETARY PAT --pass --tokenizer.pad_token \
                     padToken next-token-loss PER_TOKEN num_tokens";
        for name in plain.split_whitespace() {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn the_path_of_a_key_is_none() {
        assert!(
            !is_secret("SSL_KEY", "/etc/ssl/a.pem")
                && !is_secret("GOOGLE_APPLICATION_CREDENTIALS", "/a.json")
        );
        assert!(is_secret("AWS_SECRET_ACCESS_KEY", "/bPx7+0/abcdef") && !is_secret("HF_TOKEN", ""));
    }
}
