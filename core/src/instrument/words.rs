//! Words that the rules of [`super::names`] know, in lower case unless a list's comment says otherwise.

/// Words of legal forms, in lower case, without dots and commas.
#[rustfmt::skip]
pub(super) const LEGAL: [&str; 44] = [
    "inc", "incorporated", "corp", "corporation", "co", "company", "companies", "cos", "ltd", "limited", "plc", "llc",
    "lp", "llp", "sa", "nv", "bv", "ag", "se", "spa", "ab", "asa", "as", "oyj", "kgaa", "gmbh", "pte", "pty", "sab",
    "cv", "publ", "adr", "ads", "new", "de", "the", "&", "and", "sarl", "aktiengesellschaft", "societe", "anonyme",
    "kk", "berhad",
];

/// Words that say that a company owns others.
#[rustfmt::skip]
pub(super) const OWNERS: [&str; 6] = [
    "holdings", "holding", "group", "grp", "hldgs", "hldg",
];

/// Words at the end of a name that say what the company does.
#[rustfmt::skip]
pub(super) const INDUSTRIES: [&str; 89] = [
    "airlines", "air lines", "airways", "mexican grill", "technology", "technologies", "wholesale", "motor", "motors",
    "pharmaceuticals", "pharmaceutical", "pharma", "biopharma", "therapeutics", "biosciences", "bioscience",
    "biotech", "biotherapeutics", "systems", "energy", "resources", "financial", "brands", "foods", "stores",
    "restaurants", "entertainment", "communications", "software", "semiconductor", "semiconductors", "solutions",
    "services", "networks", "industries", "international", "platforms", "labs", "laboratories", "sciences",
    "healthcare", "health", "insurance", "bancorp", "bancshares", "realty", "properties", "sporting goods",
    "automotive", "materials", "products", "enterprises", "beauty", "steel", "mining", "mines", "petroleum",
    "worldwide", "global", "outdoor", "parks", "property trust", "realty trust", "reit", "interactive", "medical",
    "cruises", "pizza", "cosmetics", "chemicals", "chemical", "hotels", "resorts", "railway", "railroad", "gaming",
    "media", "studios", "robotics", "logistics", "transportation", "electronics", "instruments", "aerospace",
    "defense", "coffee", "apparel", "footwear", "athletica",
];

/// Words with which many companies' names begin, or which are not a name alone; in lower case.
#[rustfmt::skip]
pub(super) const COMMON: [&str; 100] = [
    "american", "america", "united", "national", "general", "first", "global", "international", "new", "north",
    "south", "east", "west", "northern", "southern", "eastern", "western", "central", "pacific", "atlantic",
    "universal", "standard", "advanced", "applied", "digital", "community", "citizens", "peoples", "capital",
    "energy", "financial", "gold", "silver", "copper", "blue", "green", "red", "black", "white", "royal", "great",
    "golden", "best", "big", "smart", "quantum", "star", "sun", "life", "health", "medical", "bank", "trust", "real",
    "prime", "premier", "pure", "liberty", "heritage", "independence", "summit", "eagle", "phoenix", "texas",
    "california", "china", "canadian", "british", "japan", "korea", "mid", "old", "power", "air", "water", "oil",
    "gas", "solar", "data", "cloud", "cyber", "security", "home", "auto", "consumer", "business", "clean", "natural",
    "physicians", "public", "service", "commercial", "diversified", "integrated", "industrial", "precision", "the",
    "a", "one", "us",
];

/// Initials that are not used as a name, because texts have them as ordinary words or abbreviations.
#[rustfmt::skip]
pub(super) const NOT_INITIALS: [&str; 40] = [
    "ALL", "AN", "AND", "ANY", "ARE", "AS", "AT", "BE", "BIG", "BUT", "BY", "CAN", "CEO", "CFO", "DO", "EPS", "ETF",
    "FOR", "GO", "HAS", "HE", "IF", "IN", "IPO", "IS", "IT", "LOW", "NEW", "NO", "NOT", "NOW", "ON", "ONE", "OR",
    "OUT", "SO", "TO", "UP", "US", "WE",
];

/// Acronyms with a vowel.
#[rustfmt::skip]
pub(super) const ACRONYMS: [&str; 7] = [
    "AI", "ETF", "ETN", "II", "III", "REIT", "USA",
];

/// Words with which the class of a share begins, after the issuer's name.
#[rustfmt::skip]
pub(super) const CLASSES: [&str; 22] = [
    "common stock", "common share", "common unit", "class a", "class b", "class c", "cl a", "cl b", "cl c",
    "ordinary share", "american depositary", "american depository", "depositary share", "depository share",
    "sponsored adr", "unsponsored adr", "preferred stock", "preferred share", "warrant", "units, each",
    "subordinate voting", "series a",
];
