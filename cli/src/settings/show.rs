//! Settings as TOML: those in effect, each with its origin, and the commented example.

use super::environment::{secret_variable, variable};
use super::tree::{Kind, Node};
use super::{Error, Loaded, SecretOrigin};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write as _;
use tapewire_ingest::providers::masked_address;
use toml_edit::{DocumentMut, Key, TableLike};

/// The comments that are written with a setting.
trait Remarks {
    /// Comments before a setting or a section's head.
    fn before(&self, path: &[String], node: &Node) -> Vec<String>;

    /// The comment after a setting on the same line.
    fn beside(&self, path: &[String]) -> Option<String>;

    /// Comments on the lines after a setting.
    fn after(&self, path: &[String], node: &Node) -> Vec<String>;

    /// A setting that has no value, as a comment.
    fn unset(&self, key: &str, node: &Node) -> String;
}

/// The settings in effect, as a file that can be loaded again, with the layer of each setting as a comment beside it.
/// Of a secret only its origin is shown.
///
/// # Errors
/// [`Error::Value`] if a setting can't be written as TOML.
pub fn effective<T: Serialize>(loaded: &Loaded<T>) -> Result<String, Error> {
    write(&loaded.settings, &loaded.tree, loaded)
}

/// All settings with their defaults and descriptions.
///
/// # Errors
/// [`Error::Value`] if a default can't be written as TOML.
pub fn example<T: Default + JsonSchema + Serialize>() -> Result<String, Error> {
    write(&T::default(), &Node::of::<T>(), &Descriptions)
}

impl<T> Remarks for Loaded<T> {
    fn before(&self, _: &[String], _: &Node) -> Vec<String> {
        Vec::new()
    }

    fn beside(&self, path: &[String]) -> Option<String> {
        Some(in_comment(self.origin(path)))
    }

    fn after(&self, path: &[String], node: &Node) -> Vec<String> {
        let Some(origin) = self.secret_origin(path).filter(|_| node.secret) else { return Vec::new() };
        let origin = match origin {
            SecretOrigin::Variable(name) => name,
            SecretOrigin::File(file) => format!("the file {}", in_comment(&file.display().to_string())),
        };
        let name = path.last().map_or("", |key| key.trim_end_matches("_file"));
        vec![format!("# {name} is a secret  # {origin}")]
    }

    fn unset(&self, key: &str, _: &Node) -> String {
        format!("# {} is not set", Key::new(key))
    }
}

/// The text with line feeds and other control characters replaced, because a TOML comment can't contain them.
fn in_comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Remarks from the doc comments of the settings.
struct Descriptions;

impl Remarks for Descriptions {
    fn before(&self, path: &[String], node: &Node) -> Vec<String> {
        // Only the first paragraph of a section's doc comment; what follows is for users of the struct.
        let doc = if node.is_section() { node.doc.split("\n\n").next().unwrap_or_default() } else { &node.doc };
        let mut lines: Vec<String> = doc.lines().map(|line| format!("# {line}").trim_end().to_owned()).collect();
        if node.secret {
            lines.push(format!("# Instead of a file the variable {} can hold it.", secret_variable(path)));
        }
        lines
    }

    fn beside(&self, _: &[String]) -> Option<String> {
        None
    }

    fn after(&self, path: &[String], node: &Node) -> Vec<String> {
        let Some(serde_json::Value::Object(example)) = &node.example else { return Vec::new() };
        let line = |(key, value): (&String, &serde_json::Value)| format!("# {} = {value}", Key::new(key));
        if matches!(&node.kind, Kind::Map(value) if value.is_section()) {
            let section = |(name, settings): (&String, &serde_json::Value)| {
                let head = format!("# [{}.{}]", path.join("."), Key::new(name));
                let settings = settings.as_object().into_iter().flatten().map(line);
                std::iter::once(head).chain(settings).collect::<Vec<_>>()
            };
            return example.iter().flat_map(section).collect();
        }
        let lines = example.iter().map(line);
        let first = example.keys().next().map(|key| {
            let path: Vec<String> = path.iter().chain([key]).cloned().collect();
            format!("# The first of these can also be given as the variable {}.", variable(&path))
        });
        lines.chain(first).collect()
    }

    fn unset(&self, key: &str, node: &Node) -> String {
        let example = node.example.as_ref().map_or_else(|| "\"\"".to_owned(), ToString::to_string);
        format!("# {} = {example}", Key::new(key))
    }
}

fn write<T: Serialize>(settings: &T, tree: &Node, remarks: &impl Remarks) -> Result<String, Error> {
    let document = toml_edit::ser::to_document(settings).map_err(|error| Error::Value {
        origin: "settings".into(),
        path: String::new(),
        reason: error.to_string(),
    })?;
    let mut out = String::new();
    section(&mut out, tree, &document, remarks);
    Ok(out)
}

fn section(out: &mut String, tree: &Node, document: &DocumentMut, remarks: &impl Remarks) {
    Writer { out, remarks }.section(tree, document.as_table(), &mut Vec::new());
}

struct Writer<'a, R> {
    out: &'a mut String,
    remarks: &'a R,
}

impl<R: Remarks> Writer<'_, R> {
    /// The settings of a section, then the sections in it.
    fn section(&mut self, node: &Node, table: &dyn TableLike, path: &mut Vec<String>) {
        let child = |key: &str| match &node.kind {
            Kind::Section(settings) => settings.get(key),
            Kind::Map(value) => Some(value.as_ref()),
            _ => None,
        };
        for (key, item) in table.iter() {
            if let (Some(node), Some(value)) = (child(key).filter(|node| !node.is_section()), item.as_value()) {
                path.push(key.to_owned());
                self.setting(node, value, path);
                path.pop();
            }
        }
        if let Kind::Section(settings) = &node.kind {
            // Only optional settings: one without a value that is not optional belongs to another variant of the enum
            // that describes the section.
            let unset =
                |(key, node): &(&String, &Node)| node.optional && !node.is_section() && !table.contains_key(key);
            for (key, node) in settings.iter().filter(unset) {
                path.push(key.clone());
                self.comments(&self.remarks.before(path, node));
                self.line(&self.remarks.unset(key, node));
                self.comments(&self.remarks.after(path, node));
                path.pop();
            }
        }
        for (key, item) in table.iter() {
            if let (Some(node), Some(table)) = (child(key).filter(|node| node.is_section()), item.as_table_like()) {
                path.push(key.to_owned());
                self.head(node, path);
                self.section(node, table, path);
                path.pop();
            }
        }
    }

    fn head(&mut self, node: &Node, path: &[String]) {
        self.out.push('\n');
        self.comments(&self.remarks.before(path, node));
        let keys: Vec<String> = path.iter().map(|key| Key::new(key).to_string()).collect();
        // A map of sections has no head of its own.
        if !matches!(&node.kind, Kind::Map(value) if value.is_section()) {
            self.line(&format!("[{}]", keys.join(".")));
        }
        self.comments(&self.remarks.after(path, node));
    }

    fn setting(&mut self, node: &Node, value: &toml_edit::Value, path: &[String]) {
        let key = Key::new(path.last().map_or("", String::as_str));
        self.comments(&self.remarks.before(path, node));
        let mut line = if is_secret(&key, value) {
            format!("# {key} is a secret")
        } else if let Some(shown) = value.as_str().and_then(masked_address) {
            // A comment: loaded again, it would be an address with a wrong key.
            format!("# {key} has a secret in it: {}", in_comment(&shown))
        } else {
            format!("{key} = {}", value.to_string().trim())
        };
        if let Some(remark) = self.remarks.beside(path) {
            let _ = write!(line, "  # {remark}");
        }
        self.line(&line);
        self.comments(&self.remarks.after(path, node));
    }

    fn comments(&mut self, lines: &[String]) {
        for line in lines {
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }
}

/// Whether the name of a Kafka property says that its value is a secret.
pub fn is_secret_name(key: &str) -> bool {
    let names = ["password", "passphrase", "secret", "jaas", "key.pem", "oauthbearer.config"];
    names.iter().any(|name| key.contains(name))
}

/// Whether a value must not be shown: a Kafka property whose name says that it is a secret, or an address with a
/// password.
fn is_secret(key: &str, value: &toml_edit::Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    let has_password =
        authority.and_then(|authority| authority.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'));
    has_password || !key.ends_with("_file") && is_secret_name(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(JsonSchema, Serialize)]
    struct Settings {
        /// The accounts.
        accounts: BTreeMap<String, Account>,
    }

    /// An account.
    #[derive(JsonSchema, Serialize)]
    #[serde(untagged)]
    enum Account {
        First {
            /// Where the first is.
            url: String,
            /// Only if the first asks for it.
            user: Option<String>,
        },
        Second {
            /// How much to ask the second for.
            page_size: u32,
        },
    }

    impl Default for Settings {
        fn default() -> Self {
            let first = Account::First { url: "http://first".into(), user: None };
            Self { accounts: [("one".into(), first), ("two".into(), Account::Second { page_size: 7 })].into() }
        }
    }

    #[test]
    fn a_comment_has_no_line_feed_and_no_control_character() {
        assert_eq!(in_comment("a b\n[kafka]\u{7f}\0é"), "a b\u{fffd}[kafka]\u{fffd}\u{fffd}é");
    }

    #[test]
    fn the_secrets_of_an_address_are_not_shown() {
        let account = |url: &str| Account::First { url: url.into(), user: None };
        let one = account("https://wire.test/news?limit=7&token=s3cret");
        let two = account("https://me:s3cret@wire.test/news");
        let settings = Settings { accounts: [("one".into(), one), ("two".into(), two)].into() };
        let shown = write(&settings, &Node::of::<Settings>(), &Descriptions).unwrap();
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(
            shown.contains("\n# url has a secret in it: https://wire.test/news?limit=7&token=[hidden]\n"),
            "{shown}"
        );
        assert!(shown.contains("\n# url is a secret\n"), "{shown}");
    }

    #[test]
    fn a_section_does_not_show_the_settings_of_the_alternatives_to_it() {
        let example = example::<Settings>().unwrap();
        let (one, two) = example.split_once("[accounts.two]").unwrap();
        let (_, one) = one.split_once("[accounts.one]").unwrap();
        assert!(
            one.contains("url = \"http://first\"") && one.contains("# user = ") && !one.contains("page_size"),
            "{one}"
        );
        assert!(two.contains("page_size = 7") && !two.contains("url"), "{two}");
    }
}
