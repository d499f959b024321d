//! Finds the fields of a row by their names: those that providers use, and those that the user gives.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use tapewire_formats::{Row, Value};

/// Something that a row can have, such as a title, and the names that files have for it, the preferred name first.
/// Names are compared in lower case and without marks: `published_at` and `Published At` are the same name. Of two such
/// names in one row, the one that is spelled as here counts, otherwise the first.
#[derive(Debug)]
pub(super) struct Role {
    /// Our own name, which `--news-columns` and `--bar-columns` use, too.
    pub name: &'static str,
    /// Other names.
    pub others: &'static [&'static str],
}

/// The names that the user has given, by role. `None`: the file has no field of this role.
pub type Mapping = BTreeMap<String, Option<String>>;

/// The roles of a kind of row by their names. Made once for each kind, because that takes longer than reading a short file.
#[derive(Debug)]
pub(super) struct Index {
    roles: &'static [Role],
    /// By [`compared`] name.
    known: HashMap<String, Vec<Known>>,
}

/// Finds fields of rows.
#[derive(Debug)]
pub(super) struct Names {
    index: &'static Index,
    ignored: &'static [&'static str],
    flag: &'static str,
    mapping: Mapping,
    /// Columns that the user has named and that no row had so far.
    never_seen: RefCell<BTreeSet<String>>,
    last: RefCell<Positions>,
}

/// A name of a role.
#[derive(Debug, Clone, Copy)]
struct Known {
    role: &'static str,
    /// Its place among the role's names.
    rank: usize,
    spelling: &'static str,
}

/// Where the fields of each role are, in rows with these names.
#[derive(Debug, Default)]
struct Positions {
    names: Vec<String>,
    positions: HashMap<&'static str, Vec<usize>>,
}

/// A field that was found: its own name and its value.
pub(super) type Field<'r> = (&'r str, &'r Value);

impl Names {
    /// # Errors
    /// The user names a role that does not exist.
    pub fn new(
        index: &'static Index,
        ignored: &'static [&'static str],
        flag: &'static str,
        mapping: &Mapping,
    ) -> Result<Self, String> {
        if let Some(unknown) = mapping.keys().find(|name| !index.roles.iter().any(|role| role.name == **name)) {
            let known: Vec<&str> = index.roles.iter().map(|role| role.name).collect();
            return Err(format!("{flag}: there is no `{unknown}`; there are: {}", known.join(", ")));
        }
        let never_seen = RefCell::new(mapping.values().flatten().cloned().collect());
        Ok(Self { index, ignored, flag, mapping: mapping.clone(), never_seen, last: RefCell::default() })
    }

    /// Whether the user says that the file has no field of this role.
    pub fn is_declared_absent(&self, role: &str) -> bool {
        self.mapping.get(role).is_some_and(Option::is_none)
    }

    /// An error message if a column that the user has named was in no row; `None` if each was in at least one row.
    pub fn missing_column(&self) -> Option<String> {
        let never_seen = self.never_seen.borrow();
        let column = never_seen.first()?;
        Some(format!(
            "{}: no row has a column {column}; look at its spelling, upper and lower case are different",
            self.flag
        ))
    }

    /// The columns that the user has named.
    pub fn mapped(&self) -> impl Iterator<Item = &str> {
        self.mapping.values().flatten().map(String::as_str)
    }

    /// The fields that may have this role, the best first, also those without a value.
    pub fn all<'r>(&self, row: &'r Row, role: &str) -> Vec<Field<'r>> {
        match self.mapping.get(role) {
            Some(None) => return Vec::new(),
            Some(Some(column)) => {
                let found = at_path(row, column);
                if found.is_some() {
                    self.never_seen.borrow_mut().remove(column);
                }
                return found.into_iter().collect();
            }
            None => {}
        }
        let fields: Vec<Field<'r>> = fields(row).collect();
        let mut last = self.last.borrow_mut();
        if !last.names.iter().map(String::as_str).eq(fields.iter().map(|(name, _)| *name)) {
            // Rows of a file mostly have the same names, and finding them takes longer than all else.
            let names: Vec<String> = fields.iter().map(|(name, _)| (*name).to_owned()).collect();
            *last = Positions { positions: self.positions(&names), names };
        }
        let positions = last.positions.get(role).map(Vec::as_slice).unwrap_or_default();
        positions.iter().map(|&position| fields[position]).collect()
    }

    /// By role, the positions of the names that may have it, the best first.
    fn positions(&self, names: &[String]) -> HashMap<&'static str, Vec<usize>> {
        let mut found: HashMap<&'static str, Vec<(Known, usize)>> = HashMap::new();
        for (position, name) in names.iter().enumerate() {
            if self.mapped().any(|column| column == name) {
                continue;
            }
            for &known in self.known_as(name) {
                let of_role = found.entry(known.role).or_default();
                // If a name occurs twice, the last value counts.
                match of_role.iter_mut().find(|(own, before)| own.rank == known.rank && names[*before] == *name) {
                    Some(before) => before.1 = position,
                    None => of_role.push((known, position)),
                }
            }
        }
        let in_order = |(role, mut of_role): (_, Vec<(Known, usize)>)| {
            of_role.sort_by_key(|(known, position)| (known.rank, names[*position] != known.spelling));
            (role, of_role.into_iter().map(|(_, position)| position).collect())
        };
        found.into_iter().map(in_order).collect()
    }

    /// The roles that have this name.
    fn known_as(&self, name: &str) -> &[Known] {
        compared(name).and_then(|name| self.index.known.get(&name)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The best field that has a value, or else the best that has none.
    pub fn find<'r>(&self, row: &'r Row, role: &str) -> Option<Field<'r>> {
        let all = self.all(row, role);
        all.iter().find(|(_, value)| !has_nothing(value)).or_else(|| all.first()).copied()
    }

    /// The row's names that are not known.
    pub fn unknown<'r>(&self, row: &'r Row) -> Vec<&'r str> {
        let is_known = |name: &str| {
            !self.known_as(name).is_empty()
                || self.ignored.contains(&plain(name).as_str())
                || self.mapped().any(|column| column == name)
        };
        fields(row).map(|(name, _)| name).filter(|name| !is_known(name)).collect()
    }

    /// The reason for a row without a field of this role. It lists the names that the row has, and the flag that helps.
    pub fn lacks(&self, row: &Row, role: &str) -> String {
        let names: Vec<&str> = fields(row).map(|(name, _)| name).collect();
        let mut reason = match self.mapping.get(role) {
            Some(Some(column)) => format!("no column {column}"),
            _ => {
                let known = self.index.roles.iter().filter(|own| own.name == role).flat_map(Role::names);
                let some: Vec<&str> = known.filter(|name| name.len() > 1).take(4).collect();
                format!("no {role}: none of {}, ...", some.join(", "))
            }
        };
        let _ = write!(reason, "; there are: {}; ", super::values::quoted_text(&names.join(", ")).trim_matches('`'));
        let _ = write!(reason, "{} {role}=NAME says which", self.flag);
        reason
    }
}

impl Role {
    fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.others.iter().copied())
    }
}

impl Index {
    pub fn new(roles: &'static [Role]) -> Self {
        let mut known: HashMap<String, Vec<Known>> = HashMap::new();
        for role in roles {
            for (rank, spelling) in role.names().enumerate() {
                let Some(compared) = compared(spelling) else { continue };
                let of_name = known.entry(compared).or_default();
                if of_name.iter().all(|own| own.role != role.name) {
                    of_name.push(Known { role: role.name, rank, spelling });
                }
            }
        }
        Self { roles, known }
    }
}

/// The fields of an object `content` in the row, as Yahoo nests them, then those of the row: of the same name in both, that of
/// the row counts.
fn fields(row: &Row) -> impl Iterator<Item = Field<'_>> {
    let inner = row.fields.iter().find_map(|(name, value)| match value {
        Value::Object(fields) if &**name == "content" => Some(fields),
        _ => None,
    });
    let outer = row.fields.iter().filter(move |(name, _)| inner.is_none() || &**name != "content");
    let inner = inner.into_iter().flatten().map(|(name, value)| (name.as_str(), value));
    inner.chain(outer.map(|(name, value)| (&**name, value)))
}

/// The field of exactly this name, or the nested field of a dotted path such as `item.head`.
fn at_path<'r>(row: &'r Row, path: &str) -> Option<Field<'r>> {
    if let Some((name, value)) = row.fields.iter().rev().find(|(name, _)| &**name == path) {
        return Some((name, value));
    }
    let mut parts = path.split('.');
    let first = parts.next()?;
    let (name, value) = row.fields.iter().rev().find(|(name, _)| &**name == first)?;
    let mut value = value;
    for part in parts {
        let Value::Object(fields) = value else { return None };
        value = fields.iter().rev().find(|(name, _)| name == part).map(|(_, value)| value)?;
    }
    (path.contains('.')).then_some((&**name, value))
}

/// The letters and digits of a name, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What of a name is compared with others. Names of one letter keep their case: `t` is a time and `T` a ticker. `None`: it is
/// a letter with marks, which is no name of a role.
fn compared(name: &str) -> Option<String> {
    if name.len() == 1 {
        return Some(name.to_owned());
    }
    Some(plain(name)).filter(|plain| plain.len() != 1)
}

fn has_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => super::values::ticker::is_absent(text),
        Value::List(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
