//! Symbols that are read as others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tapewire_core::Symbol;

/// Symbols to be read as others, in news, bars, trades and actions alike (`GOOG` as `GOOGL`). Copies share the knowledge of
/// which of them occurred.
#[derive(Debug, Clone, Default)]
pub struct Aliases {
    meant: BTreeMap<Symbol, Symbol>,
    occurred: Arc<Mutex<BTreeSet<Symbol>>>,
}

impl Aliases {
    /// The symbol that `symbol` is read as.
    pub(super) fn read(&self, symbol: Symbol) -> Symbol {
        let Some(meant) = self.meant.get(&symbol) else { return symbol };
        let mut occurred = self.occurred.lock().unwrap_or_else(PoisonError::into_inner);
        occurred.insert(symbol);
        meant.clone()
    }

    /// Those that have not occurred, each with what it would have been read as.
    pub(super) fn unused(&self) -> Vec<(Symbol, Symbol)> {
        let occurred = self.occurred.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = self.meant.iter().filter(|(symbol, _)| !occurred.contains(*symbol));
        unused.map(|(symbol, meant)| (symbol.clone(), meant.clone())).collect()
    }
}

impl FromIterator<(Symbol, Symbol)> for Aliases {
    fn from_iter<I: IntoIterator<Item = (Symbol, Symbol)>>(pairs: I) -> Self {
        Self { meant: pairs.into_iter().collect(), occurred: Arc::default() }
    }
}
