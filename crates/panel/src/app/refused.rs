//! Counts what was refused, so that guessing and flooding are seen without filling the database: whoever is refused decides how often.
//!
//! Of each caller whom the Panel knows the first refusals of a minute are a row of the Activity each ([`RefusedRequests::has_a_row`]). What comes
//! after them, and every refusal of a caller whom it does not know, is counted: one row a minute and caller, by the codes. Addresses are counted by
//! themselves as long as there are few of them in a minute, and by ever larger ranges when there are more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use opterius_protocol::Micros;

use super::Code;
use super::origin::{group, network, range};

const MICROS_A_MINUTE: i64 = 60_000_000;

/// Refusals of one caller in a minute that are a row of the Activity each.
pub(crate) const ROWS_OF_ONE: u32 = 30;

/// The same of all callers together: in the days that rows are kept in any case, a quarter of the rows that a host keeps unless it says otherwise.
const ROWS_OF_ALL: u32 = 60;

/// Callers with a name that are counted apart in a minute; more are counted together.
const NAMED: usize = 100;

/// Addresses that are counted apart in a minute: by themselves (an IPv6 network of 64 bits is one), by /48 or /24, and by /32 or /16.
const APART: [usize; 3] = [30, 15, 10];

/// How many of one larger range are counted apart.
const OF_ONE_RANGE: [usize; 2] = [10, 5];

const OTHERS: &str = "others";

/// The minute that a moment is in, counted since 1970.
pub(crate) fn minute_of(at: Micros) -> i64 {
    at.0.div_euclid(MICROS_A_MINUTE)
}

/// When a minute began.
pub(crate) fn moment_of(minute: i64) -> Micros {
    Micros(minute.saturating_mul(MICROS_A_MINUTE))
}

/// What was counted and is not yet in the database.
#[derive(Debug, Default)]
pub(crate) struct RefusedRequests(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// The minute that is counted. It goes on until it was written down, so that a database that cannot be written to makes it longer and nothing more.
    minute: i64,
    /// How often, by who and why.
    times: BTreeMap<(String, Code), i64>,
    /// Who is counted apart in this minute.
    apart: HashSet<String>,
    /// How many of them have a name.
    named: usize,
    /// How many ranges of each size are counted apart, and how many of them lie in one of the next size.
    sizes: [usize; 3],
    within: HashMap<String, usize>,
    /// How many rows of their own callers had, and in which minute: that one ends by the clock, whatever could be written down.
    rows: HashMap<String, u32>,
    rows_minute: i64,
    all_rows: u32,
}

/// What is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    /// The minute that it was counted in.
    pub(crate) minute: i64,
    /// The minute that it is now.
    pub(crate) now: i64,
    /// Who was refused, why, and how often since the last news.
    pub(crate) times: Vec<(String, Code, i64)>,
}

impl RefusedRequests {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the refusal of somebody who is known by the address alone.
    pub(crate) fn count_address(&self, from: Option<IpAddr>, code: Code, now: Micros) {
        self.counts().add_address(from, code, 1, now);
    }

    /// Counts the refusal of a caller with a name.
    pub(crate) fn count(&self, actor: &str, code: Code, now: Micros) {
        let mut counts = self.counts();
        counts.begin(now);
        if !counts.apart.contains(actor) {
            if counts.named >= NAMED {
                *counts.times.entry((OTHERS.to_owned(), code)).or_default() += 1;
                return;
            }
            counts.named += 1;
            counts.apart.insert(actor.to_owned());
        }
        *counts.times.entry((actor.to_owned(), code)).or_default() += 1;
    }

    /// Whether a refusal of this caller gets a row of its own; else it is to be counted.
    pub(crate) fn has_a_row(&self, actor: &str, now: Micros) -> bool {
        let mut counts = self.counts();
        if counts.rows_minute != minute_of(now) {
            (counts.rows_minute, counts.all_rows) = (minute_of(now), 0);
            counts.rows.clear();
        }
        let had = counts.rows.get(actor).copied().unwrap_or_default();
        if had >= ROWS_OF_ONE || counts.all_rows >= ROWS_OF_ALL {
            return false;
        }
        counts.rows.insert(actor.to_owned(), had + 1);
        counts.all_rows += 1;
        true
    }

    /// What was counted since the last news that were [`Self::settle`]d.
    pub(crate) fn news(&self, now: Micros) -> News {
        let counts = self.counts();
        let times = counts.times.iter().map(|((actor, code), times)| (actor.clone(), *code, *times));
        News { minute: counts.minute, now: minute_of(now), times: times.collect() }
    }

    /// The news are written down. Was their minute over, another one begins.
    pub(crate) fn settle(&self, news: &News) {
        let mut counts = self.counts();
        for (actor, code, written) in &news.times {
            let key = (actor.clone(), *code);
            if let Some(times) = counts.times.get_mut(&key) {
                *times -= written;
                if *times <= 0 {
                    counts.times.remove(&key);
                }
            }
        }
        if news.minute != news.now && counts.minute == news.minute {
            // What was counted since then stays, and belongs to the minute that begins.
            *counts = Counts {
                minute: news.now,
                times: std::mem::take(&mut counts.times),
                rows: std::mem::take(&mut counts.rows),
                rows_minute: counts.rows_minute,
                all_rows: counts.all_rows,
                ..Counts::default()
            };
        }
    }
}

impl Counts {
    fn begin(&mut self, now: Micros) {
        if self.minute == 0 {
            self.minute = minute_of(now);
        }
    }

    fn add_address(&mut self, from: Option<IpAddr>, code: Code, times: i64, now: Micros) {
        self.begin(now);
        let actor = self.place(from);
        *self.times.entry((actor, code)).or_default() += times;
    }

    /// How an address is counted: by itself, by a range, or with all others.
    fn place(&mut self, from: Option<IpAddr>) -> String {
        let Some(address) = from else { return "address:local".to_owned() };
        let ranges = ranges(address);
        for (size, range) in ranges.iter().enumerate() {
            let actor = format!("address:{range}");
            if self.apart.contains(&actor) {
                return actor;
            }
            let within = ranges.get(size + 1).map_or(0, |larger| self.within.get(larger).copied().unwrap_or_default());
            if self.sizes[size] < APART[size] && OF_ONE_RANGE.get(size).is_none_or(|most| within < *most) {
                self.sizes[size] += 1;
                if let Some(larger) = ranges.get(size + 1) {
                    *self.within.entry(larger.clone()).or_default() += 1;
                }
                self.apart.insert(actor.clone());
                return actor;
            }
        }
        format!("address:{OTHERS}")
    }
}

/// An address as it is counted, from small to large: an IPv4 address, its /24 and /16; of IPv6 the /64, /48 and /32.
fn ranges(address: IpAddr) -> [String; 3] {
    [group(address), range(address), network(address, 16, 32)]
}

/// Addresses that an earlier version counted one by one, in as few ranges as they are counted in today: minute, actor, code, times.
pub(crate) fn in_ranges(addresses: impl IntoIterator<Item = (i64, Option<IpAddr>, Code, i64)>) -> Vec<(i64, String, Code, i64)> {
    let mut minutes: BTreeMap<i64, Counts> = BTreeMap::new();
    for (minute, from, code, times) in addresses {
        minutes.entry(minute).or_default().add_address(from, code, times, moment_of(minute));
    }
    let all = minutes.into_iter();
    all.flat_map(|(minute, counts)| counts.times.into_iter().map(move |((actor, code), times)| (minute, actor, code, times))).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const NOW: Micros = Micros(29_000_000 * MICROS_A_MINUTE + 5);

    fn actors(refused: &RefusedRequests) -> Vec<(String, i64)> {
        refused.news(NOW).times.into_iter().map(|(actor, _, times)| (actor, times)).collect()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn thousands_of_networks_of_one_provider_are_few_rows_that_say_where_from() {
        let refused = RefusedRequests::default();
        for n in 0..3000 {
            refused.count_address(Some(address(&format!("2001:db8:7:{n:x}::1"))), Code::Unauthorized, NOW);
        }
        refused.count_address(Some(address("203.0.113.7")), Code::Unauthorized, NOW);
        let found = actors(&refused);
        assert_eq!(found.len(), 12, "{found:?}");
        assert_eq!(found.iter().map(|(_, times)| times).sum::<i64>(), 3001);
        assert!(found.contains(&("address:2001:db8:7::/48".to_owned(), 2990)), "{found:?}");
        assert!(found.contains(&("address:203.0.113.7".to_owned(), 1)), "who is elsewhere still is seen: {found:?}");
    }

    #[test]
    fn whatever_addresses_come_a_minute_has_few_rows_and_none_is_lost() {
        let refused = RefusedRequests::default();
        let mut random = 1u128;
        for n in 0..20_000u32 {
            random = random.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(0x5851_F42D_4C95_7F2D);
            let from = if n % 2 == 0 {
                IpAddr::V6(Ipv6Addr::from_bits(random))
            } else {
                IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(random >> 96).unwrap()))
            };
            refused.count_address(Some(from), if n % 3 == 0 { Code::Unauthorized } else { Code::Forbidden }, NOW);
        }
        let news = refused.news(NOW);
        let who: HashSet<_> = news.times.iter().map(|(actor, ..)| actor).collect();
        assert_eq!(who.len(), APART.iter().sum::<usize>() + 1);
        assert_eq!(news.times.iter().map(|(.., times)| times).sum::<i64>(), 20_000);
        let counts = refused.counts();
        assert!(counts.apart.len() <= 55 && counts.within.len() <= 55 && counts.times.len() <= 2 * 56);
    }

    #[test]
    fn addresses_of_one_ipv4_network_are_counted_by_it() {
        let refused = RefusedRequests::default();
        for n in 0..=255 {
            refused.count_address(Some(address(&format!("198.51.100.{n}"))), Code::Unauthorized, NOW);
            refused.count_address(Some(address(&format!("::ffff:198.51.100.{n}"))), Code::Unauthorized, NOW);
        }
        let found = actors(&refused);
        assert_eq!(found.len(), 11);
        assert!(found.contains(&("address:198.51.100.0/24".to_owned(), 2 * 246)), "{found:?}");
    }

    #[test]
    fn what_is_counted_while_news_are_written_is_in_the_next_ones() {
        let refused = RefusedRequests::default();
        refused.count("token:a", Code::NotFound, NOW);
        let news = refused.news(NOW.plus(std::time::Duration::from_mins(5)));
        refused.count("token:a", Code::NotFound, NOW);
        refused.count("token:b", Code::NotFound, NOW);
        refused.settle(&news);
        let next = refused.news(NOW);
        assert_eq!(next.minute, news.now, "the minute that begins");
        assert_eq!(next.times, [("token:a".to_owned(), Code::NotFound, 1), ("token:b".to_owned(), Code::NotFound, 1)]);
        refused.settle(&next);
        assert!(refused.news(NOW).times.is_empty());
    }

    #[test]
    fn rows_of_their_own_are_few_for_one_and_for_all() {
        let refused = RefusedRequests::default();
        let had = |actor: &str| (0..1000).filter(|_| refused.has_a_row(actor, NOW)).count();
        assert_eq!(had("token:a"), 30);
        assert_eq!(had("token:b"), 30);
        assert_eq!((0..1000).map(|n| had(&format!("token:{n}"))).sum::<usize>(), 0, "those two had all");
        let of_young_days = ROWS_OF_ALL * 60 * 24 * u32::from(crate::app::ActivityDays::LEAST);
        assert!(of_young_days < 10_000_000 / 3, "they leave room for all else: {of_young_days} rows");
        for n in 0..1000 {
            refused.count(&format!("token:{n}"), Code::NotFound, NOW);
        }
        let found = actors(&refused);
        assert_eq!(found.len(), NAMED + 1);
        assert!(found.contains(&("others".to_owned(), 900)), "{found:?}");
        let mut news = refused.news(NOW);
        news.now += 1;
        refused.settle(&news);
        assert!(!refused.has_a_row("token:a", NOW), "it is still the same minute");
        assert!(refused.has_a_row("token:a", NOW.plus(std::time::Duration::from_mins(1))), "in the next minute");
    }
}
