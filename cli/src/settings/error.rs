//! What can be wrong with settings.

use super::environment::variable;
use super::tree::Node;
use std::path::PathBuf;

/// An error in the settings. Messages name the place, and the nearest known name.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("can't read settings file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file, or a value that has to be a list or a table, is not TOML.
    #[error("{origin} is not valid TOML")]
    Syntax {
        /// File, variable or flag.
        origin: String,
        /// What the parser said.
        source: toml_edit::TomlError,
    },
    /// There is no such setting.
    #[error(
        "{origin}: there is no setting `{path}`; the nearest is `{nearest}` (`tapewire config --example` shows all)"
    )]
    Unknown {
        /// File or flag.
        origin: String,
        /// The setting as written.
        path: String,
        /// The setting with the most similar name.
        nearest: String,
    },
    /// Variables with our prefix that are neither settings nor other known variables.
    #[error("{}", variables(.0))]
    UnknownVariables(Vec<UnknownVariable>),
    /// A setting has another name now.
    #[error("{origin}: the setting `{old}` is now `{new}`")]
    Renamed {
        /// File, variable or flag.
        origin: String,
        /// The name as written.
        old: String,
        /// The new name, and what else has changed.
        new: String,
    },
    /// A secret is given as a setting.
    #[error(
        "{origin}: `{path}` is a secret, not a setting; give it in the variable {variable}, or name its file in `{path}_file`"
    )]
    Secret {
        /// File or flag.
        origin: String,
        /// The secret's name as written.
        path: String,
        /// The secret's variable.
        variable: String,
    },
    /// A variable's value is not UTF-8.
    #[error("the variable {0} is not UTF-8 text")]
    NotText(String),
    /// A flag without a value.
    #[error("--set {0}: write it as section.key=value")]
    Flag(String),
    /// A value that the setting can't take.
    #[error("{origin}: setting `{path}`: {reason}")]
    Value {
        /// File, variable or flag.
        origin: String,
        /// The setting.
        path: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// A secret's file could not be read.
    #[error("can't read the secret in {}, the file that the setting `{setting}` names", path.display())]
    SecretFile {
        /// The setting that names the file.
        setting: String,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The text can't be the secret that is wanted.
    #[error("the secret in {place} can't be used: {reason}")]
    SecretText {
        /// The file or the variable.
        place: String,
        /// What is wrong with it, and what to do. It does not repeat the text.
        reason: String,
    },
}

/// A variable that is not known, and the nearest that is.
#[derive(Debug)]
pub struct UnknownVariable {
    /// The variable.
    pub name: String,
    /// The known variable with the most similar name.
    pub nearest: String,
}

fn variables(unknown: &[UnknownVariable]) -> String {
    let each = |UnknownVariable { name, nearest }: &UnknownVariable| match name == nearest {
        // Variables are in upper case, and stand for names in lower case.
        true => format!(
            "the variable {name} stands for a name in lower case, but the settings have it with capital letters; write it in \
             lower case there"
        ),
        false => format!("there is no setting for the variable {name}; the nearest is {nearest}"),
    };
    unknown.iter().map(each).collect::<Vec<_>>().join("; ")
}

/// The error of a path that is not in the tree.
pub fn unknown_setting(root: &Node, path: &[String], origin: &str) -> Error {
    let written = path.join(".");
    let mut file = path.to_vec();
    if let Some(last) = file.last_mut() {
        last.push_str("_file");
    }
    if root.find(&file).is_some_and(|(node, _)| node.secret) {
        return Error::Secret { origin: origin.to_owned(), path: written, variable: variable(path) };
    }
    let known = root.paths(None).into_iter().map(|path| path.join("."));
    let nearest = nearest(&written, known).unwrap_or_default();
    Error::Unknown { origin: origin.to_owned(), path: written, nearest }
}

/// The most similar name.
pub fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let likeness = |other: &String| strsim::normalized_damerau_levenshtein(name, other);
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}
