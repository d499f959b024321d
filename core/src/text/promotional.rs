//! Notices by which law firms look for clients. They name a company and move no price, and the wire has many of them.

/// Phrases that are typical of such notices, in lower case.
const PHRASES: [&str; 26] = [
    "investor alert:",
    "investor alert -",
    "investor notice:",
    "investor deadline",
    "investor reminder",
    "investor news:",
    "shareholder alert",
    "shareholder notice",
    "shareholder investigation",
    "stockholder alert",
    "stock alert:",
    "class action alert",
    "class action reminder",
    "class action notice",
    "fraud alert",
    "deadline alert",
    "deadline reminder",
    "deadline approaching",
    "deadline tomorrow",
    "opportunity to lead",
    "investors to lead",
    "shareholders to lead",
    "secure counsel",
    "on behalf of investors",
    "on behalf of shareholders",
    "investigating claims",
];

/// Phrases that news of lawsuits have, too.
const WEAK: [&str; 4] = ["lead plaintiff", "lost money", "suffered losses", "with losses"];

/// What such notices are about, or who sends them.
const MATTERS: [&str; 12] = [
    "class action",
    "securities fraud",
    "securities litigation",
    "lawsuit",
    "investigat",
    "law firm",
    "law office",
    "llp",
    "p.c.",
    "attorneys",
    "counsel",
    "leading law",
];

/// Verbs with which a firm addresses investors: `Bragar Eagel & Squire Reminds Investors of Class Action`.
const VERBS: [&str; 5] = ["reminds", "encourages", "urges", "notifies", "alerts"];

/// Whom a firm addresses.
const ADDRESSEES: [&str; 3] = ["investors", "shareholders", "stockholders"];

/// What says that a verb is a firm's: companies and authorities address investors, too.
const SIGNS: [&str; 8] =
    ["class action", "deadline", "law firm", "law office", "llp", "p.c.", "attorneys", "leading law"];

/// Whether a cleaned headline (see [`super::clean`]) is that of a law firm's notice to investors. A headline of news about a
/// lawsuit or a settlement is not.
///
/// ```
/// use tapewire_core::text::promotional::is_promotional;
///
/// assert!(is_promotional("MAKER INVESTOR ALERT: Doe LLP Investigates Maker"));
/// assert!(!is_promotional("Maker investors file class action over recall"));
/// ```
pub fn is_promotional(title: &str) -> bool {
    let title = title.to_lowercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| title.contains(phrase));
    let addresses_investors = || {
        let verb = VERBS.iter().filter_map(|verb| title.find(verb)).min();
        verb.is_some_and(|at| ADDRESSEES.iter().any(|who| title[at..].contains(who)))
    };
    has(&MATTERS) && (has(&PHRASES) || has(&SIGNS) && (has(&WEAK) || addresses_investors()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_of_law_firms_are_recognised_and_news_of_lawsuits_are_not() {
        for title in [
            "MILLER PROPERTIES INVESTOR ALERT: Doe & Roe Investigates Potential Misconduct Related to Dealings with Lenner",
            "Example Sciences (NASDAQ: EXMP) Investor Alert: Doe Investigates Following Outlook Cuts and 21% Stock Decline",
            "EXMP Investor Alert: Roe LLP Files Class Action Lawsuit Against Example Corp and Announces Opportunity for \
             Investors to Lead Class Action Lawsuit",
            "SHAREHOLDER ALERT: Doe Law Firm Investigates Claims On Behalf of Investors of Example Corp",
            "DOE, A LEADING LAW FIRM, Encourages Example Corp Investors to Secure Counsel Before Important Deadline",
            "Doe, Roe & Poe Reminds Investors of Class Action Against Example Corp",
            "Lost Money on Example Corp? Contact Roe LLP Before the Lead Plaintiff Deadline",
        ] {
            assert!(is_promotional(title), "{title}");
        }
        for title in [
            "Apple Inc. reaches settlement in patent litigation",
            "Example Corp investors file class action over recall",
            "Judge dismisses securities fraud lawsuit against Example Corp",
            "SEC investigates Example Corp, shares fall 20 %",
            "Example Corp urges shareholders to vote for the merger",
            "Example Corp names new general counsel",
            "Activist alerts investors to Example Corp's margins",
            "Example Corp urges shareholders to approve the plan again after a lawsuit",
            "SEC alerts investors to lawsuit against Example Corp",
            "Judge names lead plaintiff in Example Corp lawsuit over tweets",
            "Investors who lost money in the Example Corp collapse win lawsuit ruling",
            "",
        ] {
            assert!(!is_promotional(title), "{title}");
        }
    }
}
