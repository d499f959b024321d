//! Which setting a variable of the environment means.
//!
//! A setting's variable is `TAPEWIRE_` and its path in upper case, joined by `_`: `sentiment.engine.precision` is
//! `TAPEWIRE_SENTIMENT_ENGINE_PRECISION`. Where keys are free, `_` stands for the dot that names of Kafka's properties
//! have: `TAPEWIRE_KAFKA_PROPERTIES_SECURITY_PROTOCOL` is `security.protocol`. `__` may be written between the parts of a
//! path, for a free key that could be read in two ways: `TAPEWIRE_KAFKA__PROPERTIES__SECURITY.PROTOCOL`.
//!
//! A secret's variable is that of the setting which names its file, without `_FILE`. The key of the provider NAME is short,
//! too: `TAPEWIRE_NAME_API_KEY`.

use super::error::{UnknownVariable, nearest};
use super::tree::{Kind, Node};

const PREFIX: &str = "TAPEWIRE_";

/// Section of the accounts with providers, and the setting that names the file of an account's key.
const PROVIDERS: &str = "PROVIDERS_";
const API_KEY_FILE: &str = "_API_KEY_FILE";

/// What a variable is.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A setting, by its path.
    Setting(Vec<String>),
    /// A secret, by the path of the setting that could name its file.
    Secret(Vec<String>),
    /// Somebody else's.
    Other,
    /// Nothing known, though it has our prefix.
    Unknown,
}

/// What the variable `name` is; `others` are known variables with our prefix that are not settings.
pub fn meaning(root: &Node, name: &str, others: &[&str]) -> Meaning {
    let Some(rest) = name.strip_prefix(PREFIX) else { return Meaning::Other };
    if let Some(path) = setting(root, rest) {
        return Meaning::Setting(path);
    }
    let file = format!("{rest}_FILE");
    let short = || file.ends_with(API_KEY_FILE).then(|| setting(root, &format!("{PROVIDERS}{file}"))).flatten();
    if let Some(path) = setting(root, &file).or_else(short).filter(|path| root.find(path).is_some_and(|(node, _)| node.secret)) {
        return Meaning::Secret(path);
    }
    if others.contains(&name) { Meaning::Other } else { Meaning::Unknown }
}

/// The variable of a setting.
pub fn variable(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("_").replace('.', "_").to_ascii_uppercase())
}

/// The variable of the secret whose file is named by the setting at `path`.
pub fn secret_variable(path: &[String]) -> String {
    let file = variable(path).replacen(&format!("{PREFIX}{PROVIDERS}"), PREFIX, 1);
    file.strip_suffix("_FILE").unwrap_or(&file).to_owned()
}

/// A variable that is not known, with the nearest that is.
pub fn unknown(root: &Node, name: &str, others: &[&str]) -> UnknownVariable {
    let settings = root.paths();
    let is_secret = |path: &&Vec<String>| root.find(path).is_some_and(|(node, _)| node.secret);
    let secrets = settings.iter().filter(is_secret).map(|path| secret_variable(path));
    let known = settings.iter().map(|path| variable(path)).chain(secrets);
    let known = known.chain(others.iter().map(|&other| other.to_owned()));
    UnknownVariable { name: name.to_owned(), nearest: nearest(name, known).unwrap_or_default() }
}

fn setting(root: &Node, rest: &str) -> Option<Vec<String>> {
    let rest = rest.to_ascii_uppercase();
    if !rest.contains("__") {
        return within(root, &rest);
    }
    let parts: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
    let (_, mut path) = root.find(&parts)?;
    if let Some(key) = path.last_mut().filter(|_| root.find(&parts[..parts.len() - 1]).is_some_and(has_plain_values)) {
        *key = key.replace('_', ".");
    }
    Some(path)
}

fn has_plain_values((node, _): (&Node, Vec<String>)) -> bool {
    matches!(&node.kind, Kind::Map(value) if !value.is_section())
}

/// The path within `node` that `rest`, in upper case, names.
fn within(node: &Node, rest: &str) -> Option<Vec<String>> {
    let below = |key: &str, node: &Node, rest: &str| {
        let tail = if rest.is_empty() { Vec::new() } else { within(node, rest.strip_prefix('_')?)? };
        Some(std::iter::once(key.to_owned()).chain(tail).collect())
    };
    match &node.kind {
        // Of two keys of which one begins with the other at most one leaves a rest that is known, too.
        Kind::Section(settings) => {
            settings.iter().find_map(|(key, node)| below(key, node, rest.strip_prefix(&key.to_ascii_uppercase())?))
        }
        // The shortest name after which a known setting follows.
        Kind::Map(value) if value.is_section() => {
            let ends = rest.match_indices('_').map(|(at, _)| at).chain([rest.len()]).filter(|&at| at > 0);
            ends.into_iter().find_map(|at| below(&rest[..at].to_ascii_lowercase(), value, &rest[at..]))
        }
        Kind::Map(_) => (!rest.is_empty()).then(|| vec![rest.to_ascii_lowercase().replace('_', ".")]),
        _ => None,
    }
}
