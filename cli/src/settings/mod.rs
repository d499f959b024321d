//! Settings from five layers, each of which overrides the one before: defaults, preset, file, environment, flags.
//!
//! `figment` merges the layers key by key, so a nested setting from the environment does not replace its siblings
//! from the file, and every value remembers the layer that it is from.

mod environment;
mod error;
mod secret;
mod show;
mod tree;
mod value;

pub use error::{Error, nearest};
pub use show::{effective, example, is_secret_name};

use environment::Meaning;
use figment::error::Kind;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tree::Node;
use value::Place;

/// The file that is read where `--config` names none.
pub const DEFAULT_FILE: &str = "tapewire.toml";

/// The name of the lowest layer.
const DEFAULT: &str = "default";

/// Where settings come from, and which names are known that are not settings.
pub struct Sources<'a> {
    /// The name of a preset, and its settings as TOML.
    pub preset: Option<(&'a str, &'a str)>,
    /// The settings file; without it [`DEFAULT_FILE`] if there is one.
    pub file: Option<&'a Path>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// `section.key=value`.
    pub flags: &'a [String],
    /// Variables with our prefix that are not settings.
    pub other_variables: &'a [&'a str],
    /// Former names of settings, and what replaces each.
    pub renamed: &'a [(&'a str, &'a str)],
}

/// Settings, and where each is from.
pub struct Loaded<T> {
    /// The settings.
    pub settings: T,
    tree: Node,
    figment: Figment,
    merged: Value,
    secrets: Secrets,
}

/// Secrets from variables, by the path of the setting that could name their file.
type Secrets = BTreeMap<Vec<String>, SecretVariable>;

struct SecretVariable {
    name: String,
    secret: String,
}

/// Where a secret is from.
#[derive(Debug, PartialEq, Eq)]
pub enum SecretOrigin {
    /// A variable.
    Variable(String),
    /// A file.
    File(PathBuf),
}

/// One layer: a name and its settings.
struct Layer {
    name: String,
    settings: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.settings.clone()))
    }
}

impl<T: Default + DeserializeOwned + JsonSchema + Serialize> Loaded<T> {
    /// Merges the layers. Files of secrets are not read yet.
    ///
    /// # Errors
    /// [`Error`] names the layer and the setting.
    pub fn new(sources: &Sources<'_>) -> Result<Self, Error> {
        let tree = Node::of::<T>();
        let defaults = Value::serialize(T::default()).map_err(refused)?;
        let settings = defaults.clone().into_dict().unwrap_or_default();
        let mut figment = Figment::from(Layer { name: DEFAULT.to_owned(), settings });
        if let Some(layer) = sources.read_preset(&tree)? {
            figment = figment.merge(layer);
        }
        if let Some(layer) = sources.read_file(&tree)? {
            figment = figment.merge(layer);
        }
        let (variables, secrets) = sources.read_environment(&tree, &defaults)?;
        for layer in variables {
            figment = figment.merge(layer);
        }
        for flag in sources.flags {
            figment = figment.merge(sources.read_flag(&tree, flag)?);
        }
        let settings = figment.extract().map_err(refused)?;
        let merged = figment.extract().map_err(refused)?;
        let loaded = Self { settings, tree, figment, merged, secrets };
        loaded.check_secrets(sources.other_variables)?;
        Ok(loaded)
    }
}

impl<T> Loaded<T> {
    /// The secret whose file is named by the setting `path`: from its variable or, if that is not set, from the file.
    /// Surrounding white space is removed.
    ///
    /// # Errors
    /// [`Error::SecretFile`], [`Error::SecretText`].
    pub fn secret(&self, path: &str) -> Result<Option<String>, Error> {
        let keys = split(path);
        if let Some(variable) = self.secrets.get(&keys) {
            let place = format!("the variable {}", variable.name);
            return secret::read(path, &place, variable.secret.as_bytes()).map(Some);
        }
        let Some(SecretOrigin::File(file)) = self.secret_origin(&keys) else { return Ok(None) };
        match std::fs::read(&file) {
            Ok(bytes) => secret::read(path, &format!("the file {}", file.display()), &bytes).map(Some),
            Err(source) => Err(Error::SecretFile { setting: path.to_owned(), path: file, source }),
        }
    }

    /// Refuses the variable of a secret whose section does not exist, for example because a provider's name is
    /// misspelt.
    fn check_secrets(&self, other_variables: &[&str]) -> Result<(), Error> {
        let known = |path: &[String]| self.value(&path[..path.len() - 1]).is_some();
        let unknown = self.secrets.iter().filter(|(path, _)| !known(path)).map(|(_, variable)| &variable.name);
        let unknown = unknown.map(|name| environment::unknown(&self.tree, &self.merged, name, other_variables));
        let unknown: Vec<_> = unknown.collect();
        if unknown.is_empty() { Ok(()) } else { Err(Error::UnknownVariables(unknown)) }
    }

    /// Where the secret comes from whose file the setting `path` names; `None` if there is no secret.
    pub fn secret_origin_of(&self, path: &str) -> Option<SecretOrigin> {
        self.secret_origin(&split(path))
    }

    fn secret_origin(&self, path: &[String]) -> Option<SecretOrigin> {
        match self.secrets.get(path) {
            Some(variable) => Some(SecretOrigin::Variable(variable.name.clone())),
            None => self.value(path)?.as_str().map(|file| SecretOrigin::File(file.into())),
        }
    }

    /// The error of a setting whose value can't work for this reason.
    pub fn refused(&self, path: &str, reason: &str) -> Error {
        let origin = self.origin(&split(path)).to_owned();
        Error::Value { origin, path: path.to_owned(), reason: reason.to_owned() }
    }

    /// The layer that a setting is from; of a section, the layer of the first setting in it.
    fn origin(&self, path: &[String]) -> &str {
        // Settings show some keys in another spelling: `vod.l` as VOD.L, `brk/b` as BRK.B.
        let spelled = |key: &str| key.to_ascii_uppercase().replace('/', ".");
        let mut value = path.iter().try_fold(&self.merged, |value, key| {
            let section = value.as_dict()?;
            section.get(key).or_else(|| Some(section.iter().find(|(other, _)| spelled(other) == spelled(key))?.1))
        });
        while let Some(first) = value.and_then(|value| value.as_dict()?.values().next()) {
            value = Some(first);
        }
        let metadata = value.and_then(|value| self.figment.get_metadata(value.tag()));
        metadata.map_or(DEFAULT, |metadata| &metadata.name)
    }

    fn value(&self, path: &[String]) -> Option<&Value> {
        path.iter().try_fold(&self.merged, |value, key| value.as_dict()?.get(key))
    }
}

impl Sources<'_> {
    fn read_preset(&self, tree: &Node) -> Result<Option<Layer>, Error> {
        let Some((name, text)) = self.preset else { return Ok(None) };
        let name = format!("preset {name}");
        let document = text.parse().map_err(|source| Error::Syntax { origin: name.clone(), source })?;
        let settings = value::from_document(tree, &document, &name)?;
        Ok(Some(Layer { name, settings }))
    }

    fn read_file(&self, tree: &Node) -> Result<Option<Layer>, Error> {
        let path = match self.file {
            Some(path) => path,
            None if Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
            None => return Ok(None),
        };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let document = text.parse().map_err(|source| Error::Syntax { origin: name.clone(), source })?;
        let settings = value::from_document(tree, &document, &name).map_err(|error| self.renamed(error))?;
        Ok(Some(Layer { name, settings }))
    }

    /// A layer for each variable, and the secrets.
    fn read_environment(&self, tree: &Node, defaults: &Value) -> Result<(Vec<Layer>, Secrets), Error> {
        let (mut layers, mut secrets, mut unknown) = (Vec::new(), BTreeMap::new(), Vec::new());
        // Sorted, so that a section comes before the settings in it.
        let environment: BTreeMap<_, _> = self.environment.iter().map(|(name, text)| (name, text)).collect();
        for (name, text) in environment {
            let Some(name) = name.to_str() else { continue };
            let meaning = environment::meaning(tree, name, self.other_variables);
            let text = || text.to_str().ok_or_else(|| Error::NotText(name.to_owned()));
            match meaning {
                Meaning::Other => {}
                Meaning::Setting(path) => layers.push(layer(tree, &path, text()?, name)?),
                Meaning::Secret(path) => {
                    // An empty variable counts as not set.
                    let (name, secret) = (name.to_owned(), text()?.to_owned());
                    if !secret.trim().is_empty() {
                        secrets.insert(path, SecretVariable { name, secret });
                    }
                }
                Meaning::Unknown => {
                    let old = |(old, _): &&(&str, &str)| environment::variable(&split(old)) == name;
                    if let Some((old, new)) = self.renamed.iter().find(old) {
                        let (old, new) = ((*old).to_owned(), (*new).to_owned());
                        return Err(Error::Renamed { origin: name.to_owned(), old, new });
                    }
                    unknown.push(environment::unknown(tree, defaults, name, self.other_variables));
                }
            }
        }
        if unknown.is_empty() { Ok((layers, secrets)) } else { Err(Error::UnknownVariables(unknown)) }
    }

    fn read_flag(&self, tree: &Node, flag: &str) -> Result<Layer, Error> {
        let (path, text) = flag.split_once('=').ok_or_else(|| Error::Flag(flag.to_owned()))?;
        let keys = toml_edit::Key::parse(path.trim())
            .map_err(|source| Error::Syntax { origin: format!("the name in --set {path}"), source })?;
        let keys: Vec<String> = keys.iter().map(|key| key.get().to_owned()).collect();
        layer(tree, &keys, &value::unquoted(text), "--set").map_err(|error| self.renamed(error))
    }

    /// The error of an unknown setting; if the setting was renamed, the error that says its new name.
    fn renamed(&self, error: Error) -> Error {
        let Error::Unknown { origin, path, nearest } = error else { return error };
        match self.renamed.iter().find(|(old, _)| *old == path) {
            Some((_, new)) => Error::Renamed { origin, old: path, new: (*new).to_owned() },
            None => Error::Unknown { origin, path, nearest },
        }
    }
}

/// One setting as a layer.
fn layer(tree: &Node, path: &[String], text: &str, name: &str) -> Result<Layer, Error> {
    let Some((node, path)) = tree.find(path) else { return Err(error::unknown_setting(tree, path, name)) };
    let value = value::from_text(node, text, Place { root: tree, origin: name, path: &path })?;
    let nested = path.iter().rev().fold(value, |value, key| Dict::from([(key.clone(), value)]).into());
    Ok(Layer { name: name.to_owned(), settings: nested.into_dict().unwrap_or_default() })
}

fn refused(error: figment::Error) -> Error {
    let origin = error.metadata.as_ref().map_or(DEFAULT.into(), |metadata| metadata.name.to_string());
    let reason = match &error.kind {
        Kind::UnknownVariant(found, known) => format!("`{found}` is not one of {}", known.join(", ")),
        kind => kind.to_string(),
    };
    Error::Value { origin, path: error.path.join("."), reason }
}

/// The variables of all settings and secrets of `T`.
#[cfg(test)]
pub fn variables<T: JsonSchema>() -> Vec<String> {
    environment::known(&Node::of::<T>(), None)
}

/// Those of `names` that are neither the variable of a setting or secret of `T` nor in `others`.
#[cfg(test)]
pub fn unknown_variables<'a, T: JsonSchema>(names: impl Iterator<Item = &'a str>, others: &[&str]) -> Vec<String> {
    let tree = Node::of::<T>();
    let unknown = names.filter(|name| environment::meaning(&tree, name, others) == Meaning::Unknown);
    unknown.map(str::to_owned).collect()
}

fn split(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}
