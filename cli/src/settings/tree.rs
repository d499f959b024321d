//! All settings, as a tree read from the JSON schema of the configuration.
//!
//! The schema is derived from the structs (crate `schemars`), so a setting's name, its type and its description, which is
//! its doc comment, are written once.

use figment::value::Value as Values;
use schemars::JsonSchema;
use serde_json::Value;
use std::collections::BTreeMap;

/// A setting, or a section of settings.
#[derive(Debug, Clone)]
pub struct Node {
    /// The doc comment.
    pub doc: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be left without a value.
    pub optional: bool,
    /// Whether it names a file that holds a secret; written `#[schemars(extend("x-secret" = true))]`.
    pub secret: bool,
    /// A value to show if the setting has no value by default; written `#[schemars(example = ...)]`.
    pub example: Option<Value>,
}

/// What a setting holds.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A section with known keys.
    Section(BTreeMap<String, Node>),
    /// A section whose keys are free; all values are alike.
    Map(Box<Node>),
    /// A list of values that are alike.
    List(Box<Node>),
    /// A text.
    Text,
    /// A duration, written as a text such as `1m 30s`.
    Duration,
    /// A whole or a decimal number.
    Number,
    /// `true` or `false`.
    Flag,
}

impl Node {
    /// The settings that `T` has.
    pub fn of<T: JsonSchema>() -> Self {
        let schema = schemars::schema_for!(T).to_value();
        node(&schema, schema.get("$defs").unwrap_or(&Value::Null))
    }

    /// The setting at a path, and the path in the form in which settings are kept: in a map of plain values, everything
    /// after the map's own name is one key, dots included, as in `kafka.properties.security.protocol`.
    pub fn find(&self, path: &[String]) -> Option<(&Self, Vec<String>)> {
        let Some((first, rest)) = path.split_first() else { return Some((self, Vec::new())) };
        let (key, (found, tail)) = match &self.kind {
            Kind::Section(settings) => (first.clone(), settings.get(first)?.find(rest)?),
            Kind::Map(value) if value.is_section() => (first.clone(), value.find(rest)?),
            Kind::Map(value) => (path.join("."), (value.as_ref(), Vec::new())),
            _ => return None,
        };
        Some((found, std::iter::once(key).chain(tail).collect()))
    }

    /// Whether it holds further settings.
    pub fn is_section(&self) -> bool {
        matches!(self.kind, Kind::Section(_) | Kind::Map(_))
    }

    /// The paths of all settings. In a map of sections, the sections are those of `values`, or `NAME` if there are
    /// none; a map of plain values has one path, its own.
    pub fn paths(&self, values: Option<&Values>) -> Vec<Vec<String>> {
        let values = values.and_then(Values::as_dict);
        let below = |name: &str, node: &Self| -> Vec<Vec<String>> {
            let paths = node.paths(values.and_then(|values| values.get(name))).into_iter();
            paths.map(|path| std::iter::once(name.to_owned()).chain(path).collect()).collect()
        };
        match &self.kind {
            Kind::Section(settings) => settings.iter().flat_map(|(name, node)| below(name, node)).collect(),
            Kind::Map(value) if value.is_section() => match values {
                Some(values) if !values.is_empty() => values.keys().flat_map(|name| below(name, value)).collect(),
                _ => below("NAME", value),
            },
            _ => vec![Vec::new()],
        }
    }
}

/// The node of a schema. The schema's references point into `definitions`.
fn node(schema: &Value, definitions: &Value) -> Node {
    let mut node = match schema["$ref"].as_str() {
        Some(reference) => {
            let name = reference.rsplit('/').next().unwrap_or_default();
            self::node(&definitions[name], definitions)
        }
        None => plain(schema, definitions),
    };
    if let Some(doc) = schema["description"].as_str() {
        node.doc = doc.to_owned();
    }
    node.secret |= schema["x-secret"] == true;
    if let Some(example) = schema["examples"].get(0) {
        node.example = Some(example.clone());
    }
    node
}

fn plain(schema: &Value, definitions: &Value) -> Node {
    let mut kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let optional = kinds.contains(&"null");
    kinds.retain(|&kind| kind != "null");
    let kind = match kinds.first() {
        Some(&"object") => object(schema, definitions),
        Some(&"array") => Kind::List(Box::new(node(&schema["items"], definitions))),
        Some(&("integer" | "number")) => Kind::Number,
        Some(&"boolean") => Kind::Flag,
        Some(_) if schema["format"] == "duration" => Kind::Duration,
        Some(_) => Kind::Text,
        None => return alternatives(schema, definitions),
    };
    Node { doc: String::new(), kind, optional, secret: false, example: None }
}

fn object(schema: &Value, definitions: &Value) -> Kind {
    match (schema["properties"].as_object(), &schema["additionalProperties"]) {
        (None, values @ Value::Object(_)) => Kind::Map(Box::new(node(values, definitions))),
        (properties, _) => {
            let settings = properties.into_iter().flatten();
            Kind::Section(settings.map(|(name, schema)| (name.clone(), node(schema, definitions))).collect())
        }
    }
}

/// The node of a schema with alternatives: an optional section, an enum's variants. Alternatives that are sections
/// become one section with the settings of all.
fn alternatives(schema: &Value, definitions: &Value) -> Node {
    let mut all = Node { doc: String::new(), kind: Kind::Text, optional: false, secret: false, example: None };
    let choices = ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten();
    for choice in choices {
        if choice["type"] == "null" {
            all.optional = true;
            continue;
        }
        let choice = node(choice, definitions);
        match (&mut all.kind, choice.kind) {
            (Kind::Section(all), Kind::Section(more)) => all.extend(more),
            (kind, more) => *kind = more,
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Settings {
        /// A name.
        name: Option<String>,
        /// Free keys.
        free: BTreeMap<String, String>,
        inner: Inner,
        sources: BTreeMap<String, Source>,
        #[schemars(extend("x-secret" = true), example = &"/run/secrets/key")]
        key_file: Option<std::path::PathBuf>,
    }

    /// What is inside.
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Inner {
        count: u32,
        list: Vec<f64>,
        on: bool,
    }

    #[derive(JsonSchema)]
    #[serde(tag = "kind")]
    #[allow(dead_code, reason = "only its schema is read")]
    enum Source {
        /// The first.
        One {
            url: String,
        },
        Two(Inner),
    }

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn names_types_and_descriptions_are_the_structs() {
        let tree = Node::of::<Settings>();
        let (name, _) = tree.find(&path("name")).unwrap();
        assert!(name.optional && name.doc == "A name." && matches!(name.kind, Kind::Text));
        assert_eq!(tree.find(&path("inner")).unwrap().0.doc, "What is inside.");
        assert!(matches!(tree.find(&path("inner.list")).unwrap().0.kind, Kind::List(_)));
        assert!(matches!(tree.find(&path("inner.on")).unwrap().0.kind, Kind::Flag));
        let (secret, _) = tree.find(&path("key_file")).unwrap();
        assert!(secret.secret && secret.example == Some("/run/secrets/key".into()));
        assert!(tree.find(&path("inner.nothing")).is_none() && tree.find(&path("name.below")).is_none());
    }

    #[test]
    fn keys_of_maps_are_free_and_may_have_dots() {
        let tree = Node::of::<Settings>();
        assert_eq!(tree.find(&path("free.a.b")).unwrap().1, ["free", "a.b"]);
        assert!(matches!(tree.find(&path("sources.mine.url")).unwrap().0.kind, Kind::Text));
        assert!(matches!(tree.find(&path("sources.mine.count")).unwrap().0.kind, Kind::Number));
        assert!(matches!(tree.find(&path("sources.mine.kind")).unwrap().0.kind, Kind::Text));
        assert!(tree.find(&path("sources.mine.nothing")).is_none());
        let paths: Vec<String> = tree.paths(None).iter().map(|path| path.join(".")).collect();
        let inner = ["free", "inner.count", "inner.list", "inner.on", "key_file", "name"];
        let sources = ["count", "kind", "list", "on", "url"].map(|name| format!("sources.NAME.{name}"));
        assert_eq!(paths, inner.into_iter().map(str::to_owned).chain(sources).collect::<Vec<_>>());
    }
}
