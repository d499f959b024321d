//! Which setting a variable of the environment means.
//!
//! A setting's variable is `TAPEWIRE_` and its path in upper case, joined by `_`: `sentiment.engine.precision` is
//! `TAPEWIRE_SENTIMENT_ENGINE_PRECISION`. In a section whose keys are free, `_` stands for the dot in the names of
//! Kafka's properties: `TAPEWIRE_KAFKA_PROPERTIES_SECURITY_PROTOCOL` is `security.protocol`. `__` may stand between the
//! parts of a path, for a free key that could be read in two ways: `TAPEWIRE_KAFKA__PROPERTIES__SECURITY.PROTOCOL`.
//!
//! A secret's variable is that of the setting which names its file, without `_FILE`. The variable of a provider's key
//! may leave out the section: `TAPEWIRE_MASSIVE_API_KEY` is the key of `providers.massive`.

use super::error::{UnknownVariable, nearest};
use super::tree::{Kind, Node};
use figment::value::Value;
use std::collections::BTreeSet;

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
    /// A variable of the stack, the tests, or of another program.
    Other,
    /// Unknown, though it has our prefix.
    Unknown,
}

/// What the variable `name` is; `others` are known variables with our prefix that are not settings.
pub fn meaning(root: &Node, name: &str, others: &[&str]) -> Meaning {
    let Some(rest) = name.strip_prefix(PREFIX) else { return Meaning::Other };
    if let Some(path) = setting(root, rest) {
        return Meaning::Setting(path);
    }
    let file = format!("{rest}_FILE");
    let path = setting(root, &file).or_else(|| key_file(root, &file));
    if let Some(path) = path.filter(|path| root.find(path).is_some_and(|(node, _)| node.secret)) {
        return Meaning::Secret(path);
    }
    if others.contains(&name) { Meaning::Other } else { Meaning::Unknown }
}

/// The variable of a setting.
pub fn variable(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("_").replace('.', "_").to_ascii_uppercase())
}

/// The variable of the secret whose file the setting at `path` names; for a provider's key, the variable without the
/// section.
pub fn secret_variable(path: &[String]) -> String {
    long_secret_variable(path).replacen(&format!("{PREFIX}{PROVIDERS}"), PREFIX, 1)
}

fn long_secret_variable(path: &[String]) -> String {
    let file = variable(path);
    file.strip_suffix("_FILE").unwrap_or(&file).to_owned()
}

/// A variable that is not known, with the nearest that is.
pub fn unknown(root: &Node, values: &Value, name: &str, others: &[&str]) -> UnknownVariable {
    let known = known(root, Some(values)).into_iter().chain(others.iter().map(|&other| other.to_owned()));
    UnknownVariable { name: name.to_owned(), nearest: nearest(name, known).unwrap_or_default() }
}

/// The variables of all settings and secrets; where keys are free, of the keys that `values` has.
pub fn known(root: &Node, values: Option<&Value>) -> Vec<String> {
    let settings = root.paths(values);
    let is_secret = |path: &&Vec<String>| root.find(path).is_some_and(|(node, _)| node.secret);
    let secrets = settings.iter().filter(is_secret);
    let secrets = secrets.flat_map(|path| BTreeSet::from([secret_variable(path), long_secret_variable(path)]));
    settings.iter().map(|path| variable(path)).chain(secrets).collect()
}

/// The setting that names the file of a provider's key, given a variable's name that leaves out the section.
fn key_file(root: &Node, file: &str) -> Option<Vec<String>> {
    file.ends_with(API_KEY_FILE).then(|| setting(root, &format!("{PROVIDERS}{file}"))).flatten()
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
        // One key may begin with another, as `page_size` begins with `page`. At most one of them leaves a rest that is a
        // setting.
        Kind::Section(settings) => {
            settings.iter().find_map(|(key, node)| below(key, node, rest.strip_prefix(&key.to_ascii_uppercase())?))
        }
        // The shortest name after which a known setting follows.
        Kind::Map(value) if value.is_section() => {
            let mut ends = rest.match_indices('_').map(|(at, _)| at).filter(|&at| at > 0);
            ends.find_map(|at| below(&rest[..at].to_ascii_lowercase(), value, &rest[at..]))
        }
        Kind::Map(_) => (!rest.is_empty()).then(|| vec![rest.to_ascii_lowercase().replace('_', ".")]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::value::Dict;
    use schemars::JsonSchema;
    use std::collections::BTreeMap;

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Settings {
        listen: String,
        state_dir: String,
        kafka: Kafka,
        news: News,
        providers: BTreeMap<String, Provider>,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Kafka {
        properties: BTreeMap<String, String>,
        #[schemars(extend("x-secret" = true))]
        password_file: Option<String>,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct News {
        page: u32,
        page_size: u32,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Provider {
        url: String,
        #[schemars(extend("x-secret" = true))]
        api_key_file: Option<String>,
    }

    fn read(name: &str) -> Meaning {
        meaning(&Node::of::<Settings>(), name, &["TAPEWIRE_STACK_DIR"])
    }

    fn setting(path: &[&str]) -> Meaning {
        Meaning::Setting(path.iter().map(|&key| key.to_owned()).collect())
    }

    #[test]
    fn a_variable_is_the_path_in_upper_case() {
        assert_eq!(read("TAPEWIRE_LISTEN"), setting(&["listen"]));
        assert_eq!(read("TAPEWIRE_STATE_DIR"), setting(&["state_dir"]));
        assert_eq!(read("TAPEWIRE_NEWS_PAGE"), setting(&["news", "page"]));
        assert_eq!(read("TAPEWIRE_NEWS_PAGE_SIZE"), setting(&["news", "page_size"]));
        assert_eq!(read("TAPEWIRE_NEWS__PAGE_SIZE"), setting(&["news", "page_size"]));
        assert_eq!(read("TAPEWIRE_KAFKA_PROPERTIES"), setting(&["kafka", "properties"]));
        assert_eq!(read("TAPEWIRE_KAFKA_PASSWORD_FILE"), setting(&["kafka", "password_file"]));
    }

    #[test]
    fn free_keys_are_found_with_and_without_separators() {
        for name in ["PROPERTIES_SECURITY_PROTOCOL", "_PROPERTIES__SECURITY.PROTOCOL", "_PROPERTIES__SECURITY_PROTOCOL"]
        {
            assert_eq!(read(&format!("TAPEWIRE_KAFKA_{name}")), setting(&["kafka", "properties", "security.protocol"]));
        }
        assert_eq!(read("TAPEWIRE_PROVIDERS_MY_WIRE_URL"), setting(&["providers", "my_wire", "url"]));
        assert_eq!(read("TAPEWIRE_PROVIDERS__MY_WIRE__URL"), setting(&["providers", "my_wire", "url"]));
        assert_eq!(read("TAPEWIRE_PROVIDERS__MY_WIRE"), setting(&["providers", "my_wire"]));
        assert_eq!(read("TAPEWIRE_PROVIDERS_MY_WIRE_ULR"), Meaning::Unknown);
    }

    #[test]
    fn secrets_are_told_from_settings_and_from_misspellings() {
        let secret = |path: &[&str]| Meaning::Secret(path.iter().map(|&key| key.to_owned()).collect());
        assert_eq!(read("TAPEWIRE_KAFKA_PASSWORD"), secret(&["kafka", "password_file"]));
        assert_eq!(read("TAPEWIRE_PROVIDERS_MY_WIRE_API_KEY"), secret(&["providers", "my_wire", "api_key_file"]));
        assert_eq!(read("TAPEWIRE_MY_WIRE_API_KEY"), secret(&["providers", "my_wire", "api_key_file"]));
        assert_eq!(read("TAPEWIRE_MY_WIRE_API_KEY_FILE"), Meaning::Unknown);
        assert_eq!(read("TAPEWIRE_STACK_DIR"), Meaning::Other);
        assert_eq!(read("KAFKA_PASSWORD"), Meaning::Other);
        for name in
            ["TAPEWIRE_KAFAK_PASSWORD", "TAPEWIRE_LISTEN_", "TAPEWIRE_NEWS_PAGE_", "TAPEWIRE_", "TAPEWIRE_KAFKA__"]
        {
            assert_eq!(read(name), Meaning::Unknown, "{name}");
        }
    }

    #[test]
    fn the_nearest_name_is_given() {
        let values = Value::from(Dict::from([(
            "providers".to_owned(),
            Dict::from([("wire".to_owned(), Dict::new().into())]).into(),
        )]));
        let nearest = |name: &str| unknown(&Node::of::<Settings>(), &values, name, &["TAPEWIRE_STACK_DIR"]).nearest;
        assert_eq!(nearest("TAPEWIRE_KAFAK_PASSWORD"), "TAPEWIRE_KAFKA_PASSWORD");
        assert_eq!(nearest("TAPEWIRE_NEWS_PAGES_SIZE"), "TAPEWIRE_NEWS_PAGE_SIZE");
        assert_eq!(nearest("TAPEWIRE_STAK_DIR"), "TAPEWIRE_STACK_DIR");
        assert_eq!(nearest("TAPEWIRE_PROVIDERS_WIRE_ULR"), "TAPEWIRE_PROVIDERS_WIRE_URL");
        assert_eq!(nearest("TAPEWIRE_WIER_API_KEY"), "TAPEWIRE_WIRE_API_KEY");
    }
}
