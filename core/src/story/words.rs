//! What [`super::Fingerprint`] knows of the words of headlines: which mean the same, and which say little.

/// Words that say nothing about the event: grammar, who reports it, legal forms, and labels of wires.
pub(super) const STOP: &str = "a an the of to in on for and or with at by from as is are was were be been being it its \
    this that these those will would could may might can after over amid about into up out off how what why here heres \
    who when where which s t his her their our your my we you he she they has had have do does did than more most also \
    just still so but if all some any both says say said saying tells told again now set should play going ahead post \
    inc corp corporation co ltd plc llc company companies update updates market chatter street color exclusive breaking \
    live rpt refile wrapup factbox correction alert report reports reported reportedly according source sources cites \
    citing see sees via per because due com inquire encourages spokesperson media nasdaq nyse bloomberg reuters wsj ft nyt cnbc barrons barron \
    axios journal";

/// Words of publishers. What follows the last dash of a headline is not read if it has one of them.
pub(super) const PUBLISHERS: &str = "wsj barron barrons nyt ft reuters bloomberg cnbc axios ap afp bbc cnn fox times \
    journal insider information talk dj benzinga forbes marketwatch guardian yahoo post news blog filing update source \
    sources com street spokesperson media statement";

/// Each entry: the word that stands for all, then the words that mean the same. `+x` and `-x` are opposites, `~x` is
/// frequent and has little weight, `=x` has full weight. An entry without a mark lists names of one company.
pub(super) const SAME: &[(&str, &str)] = &[
    (
        "+move",
        "rise rises rose rising jump jumps jumped jumping surge surges surged surging gain gains gained gaining \
        climb climbs climbed climbing soar soars soared soaring rally rallies rallied rallying higher advance advances \
        advanced spike spikes spiked skyrocket skyrockets rebound rebounds pop pops",
    ),
    (
        "-move",
        "fall falls fell falling drop drops dropped dropping plunge plunges plunged plunging sink sinks sank \
        sinking slide slides slid sliding slump slumps slumped slumping tumble tumbles tumbled tumbling lower decline \
        declines declined declining slip slips slipped slipping dip dips dipped crash crashes crashed plummet plummets \
        plummeted retreat retreats retreated",
    ),
    (
        "+level",
        "raise raises raised raising hike hikes hiked hiking lift lifts lifted lifting boost boosts boosted \
        boosting increase increases increased increasing",
    ),
    (
        "-level",
        "cut cuts cutting slash slashes slashed slashing trim trims trimmed trimming reduce reduces reduced \
        reducing lowers lowered lowering",
    ),
    ("+estimate", "beat beats beating top tops topped topping exceed exceeds exceeded surpass surpasses surpassed"),
    ("-estimate", "miss misses missed missing"),
    ("+rating", "upgrade upgrades upgraded upgrading"),
    ("-rating", "downgrade downgrades downgraded downgrading"),
    (
        "+side",
        "buy buys buying bought acquire acquires acquired acquiring acquisition purchase purchases purchased \
        purchasing takeover",
    ),
    ("-side", "sell sells selling sold divest divests divested divesting sale"),
    (
        "+consent",
        "approve approves approved approving approval approvals nod nods clear clears cleared clearance \
        greenlight greenlights certified certifies",
    ),
    (
        "-consent",
        "block blocks blocked blocking reject rejects rejected rejecting rebuff rebuffs rebuffed rebuffing \
        refuse refuses refused",
    ),
    ("+verdict", "win wins won winning"),
    ("-verdict", "lose loses lost losing"),
    (
        "+course",
        "start starts started starting begin begins began beginning resume resumes resumed resuming rejoin rejoins",
    ),
    (
        "-course",
        "end ends ended ending halt halts halted halting stop stops stopped stopping suspend suspends suspended \
        scrap scraps scrapped cancel cancels cancelled canceled abandon abandons abandoned",
    ),
    ("+doors", "open opens opened opening reopen reopens reopened reopening"),
    ("-doors", "close closes closed closing shut shuts shutting"),
    ("+hands", "hire hires hired hiring appoint appoints appointed appointing names named naming taps"),
    (
        "-hands",
        "quit quits resign resigns resigned resigning depart departs departed departing leave leaves leaving oust \
        ousts ousted",
    ),
    (
        "~launch",
        "launch launches launched launching unveil unveils unveiled unveiling introduce introduces introduced \
        introducing debut debuts debuted release releases released rollout",
    ),
    ("~deal", "deal deals agreement agreements pact pacts accord contract contracts"),
    (
        "~partner",
        "partner partners partnered partnering partnership partnerships team teams teamed teaming collaborate \
        collaborates collaborating collaboration alliance",
    ),
    ("~plan", "plan plans planned planning aim aims intend intends"),
    ("~profit", "profit profits earnings income"),
    ("~revenue", "revenue revenues sales turnover"),
    ("~forecast", "forecast forecasts guidance outlook"),
    ("~share", "share shares stock stocks"),
    ("~invest", "invest invests invested investing investment investments"),
    (
        "~make",
        "make makes made making manufacture manufactures manufacturing manufactured produce produces produced \
        production",
    ),
    ("~us", "us america american"),
    ("~eu", "eu european europe"),
    ("~ceo", "ceo chief executive boss"),
    (
        "=probe",
        "probe probes probed probing investigate investigates investigated investigating investigation inquiry \
        scrutiny scrutinize scrutinizes scrutinized scrutinizing",
    ),
    ("=sue", "sue sues sued suing lawsuit lawsuits suit litigation"),
    ("=job", "layoff layoffs job jobs workforce redundancies staff"),
    ("=warn", "warn warns warned warning caution cautions cautioned"),
    ("=threat", "threaten threatens threatened threatening threat threats"),
    ("=stake", "stake stakes holding holdings"),
    ("=recall", "recall recalls recalled recalling"),
    ("=test", "test tests tested testing trial trials"),
    ("=expand", "expand expands expanded expanding expansion"),
    ("=build", "build builds built building construct constructs constructed constructing construction"),
    ("=attack", "attack attacks attacked attacking gunfire fire fires fired shooting"),
    ("=ship", "ship ships vessel vessels tanker tankers"),
    ("=fine", "fine fines fined penalty penalties"),
    ("=dividend", "dividend dividends payout payouts"),
    ("=buyback", "buyback buybacks repurchase repurchases"),
    ("=delay", "delay delays delayed delaying postpone postpones postponed"),
    ("=settle", "settle settles settled settling settlement"),
    ("=antitrust", "antitrust competition monopoly anticompetitive"),
    ("=bankrupt", "bankrupt bankruptcy insolvency insolvent"),
    ("=chip", "chip chips semiconductor semiconductors"),
    ("=car", "car cars vehicle vehicles auto autos"),
    ("=robotaxi", "robotaxi robotaxis driverless autonomous"),
    ("=fund", "fund funds funding financing"),
    ("=loan", "loan loans lend lends lending"),
    ("=glasses", "glasses eyewear smartglasses"),
    ("=drug", "drug drugs medicine treatment therapy"),
    ("=hack", "hack hacks hacked breach breaches breached cyberattack"),
    ("=accident", "accident accidents crashing collision collides"),
    ("=outage", "outage outages downtime disruption"),
    ("=strike", "strike strikes walkout walkouts"),
    ("=exit", "exit exits exited exiting withdraw withdraws withdrew withdrawal"),
    ("=return", "return returns returned returning"),
    ("=reveal", "confirm confirms confirmed"),
    ("=deliver", "deliver delivers delivered delivering delivery deliveries"),
    ("=regulator", "regulator regulators watchdog"),
    ("=court", "court courts judge judges judiciary"),
    ("=ban", "ban bans banned curb curbs curbed restrict restricts restriction restrictions"),
    ("=crypto", "crypto cryptocurrency cryptocurrencies"),
    ("=datacenter", "datacenter datacenters datacentre datacentres"),
    ("=visit", "visit visits trip tour"),
    ("=tariff", "tariff tariffs duty duties levy levies"),
    ("googl", "google alphabet"),
    ("meta", "meta facebook"),
];

/// Words that deny. A headline that denies what another says is another story.
pub(super) const DENIALS: &str =
    "not no never denies deny denied denying wont cant cannot doesnt didnt isnt without unlikely";

/// Words that say little because most headlines have some of them, beside those of [`SAME`] with `~`, `+` or `-`.
pub(super) const FREQUENT: &str = "year years week weeks day days month months market markets price prices target targets \
    analyst analysts investor investors estimate estimates ai tech technology high low quarter quarterly results result \
    big first second third fourth data based global group hold keep keeps get gets one two three best better watch today \
    fiscal annual highlight highlights feature idea ideas china trump maintain maintains maintained adjust adjusts rating \
    ratings equity equities index indexes sector sectors mixed mix trade trader traders trading call calls move moves new \
    service services product products business firm firms president wall expect expects expected talk talks zacks stay blog top special people man company way afternoon \
    morning midday late early premarket focus latest potential major billion million";

/// Months and weekdays in full. `May` is missing: it is a stop word, and a month only with a capital letter inside a
/// headline ([`Fingerprint`](super::Fingerprint)).
pub(super) const MONTHS: &str = "january february march april june july august september october november december";
pub(super) const WEEKDAYS: &str = "monday tuesday wednesday thursday friday saturday sunday";
