//! Keeps strangers from guessing passwords, and from taking the time of those who have one: comparing a password takes 19 MiB of memory and some
//! milliseconds of a processor, and anybody may ask for it.
//!
//! Whoever comes from where they lately signed in well has a queue of their own, with memory of its own, which strangers cannot fill. Strangers have one
//! turn at a time, by range of addresses, and only so many attempts a minute.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opterius_protocol::Micros;

use super::authenticate::Memory;
use super::hash_queue::{Busy, HashQueue, Ticket, Turn};
use super::origin::Origin;
use super::{AppError, Refusal};

/// Wrong attempts under one name from one address that cost no pause.
const FREE: u32 = 5;
/// The longest pause after a wrong attempt.
const LONGEST: Duration = Duration::from_mins(15);
/// Entries of each table.
const REMEMBERED: usize = 10_000;
/// Wrong passwords that a stranger may try in a minute from one address, under whatever names.
const A_GROUP: u32 = 20;
/// The same from one range of addresses.
const A_RANGE: u32 = 60;
const MINUTE: Duration = Duration::from_mins(1);
/// For how long it is known that somebody signed in well from somewhere.
const KNOWN: Duration = Duration::from_hours(30 * 24);
/// Origins that are known at the same time.
const MOST_KNOWN: usize = 1000;

/// A name, and where it is tried from.
type Key = (String, String);

/// What was tried, and how that is limited.
pub(crate) struct Throttle {
    tables: Mutex<Tables>,
    known: Arc<HashQueue<Memory>>,
    strangers: Arc<HashQueue<Memory>>,
}

#[derive(Debug, Default)]
struct Tables {
    /// By name and address.
    attempts: HashMap<Key, Attempts>,
    /// By address and by range, of strangers.
    minutes: HashMap<String, Minute>,
    /// Where somebody signed in well, and when.
    known: HashMap<Key, Micros>,
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    wrong: u32,
    not_before: Micros,
}

/// What was tried in a minute.
#[derive(Debug, Clone, Copy)]
struct Minute {
    until: Micros,
    tried: u32,
}

impl Minute {
    /// One that would take longer was begun by a clock that was ahead.
    fn goes_on(&self, now: Micros) -> bool {
        self.until > now && self.until.since(now) <= MINUTE
    }
}

/// An attempt to prove something. What ends before anything was compared, as where the Panel is busy, was none.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    throttle: &'a Throttle,
    key: Key,
    /// Of a stranger.
    origin: Option<Origin>,
    at: Micros,
    /// The end of the pause that it brought.
    until: Micros,
    compared: bool,
}

impl Attempt<'_> {
    /// It counts from now on: what was sent is being compared.
    pub(super) fn compare(&mut self) {
        self.compared = true;
    }

    /// The comparison broke, so that nothing is known.
    pub(super) fn broke(&mut self) {
        self.compared = false;
    }

    /// What was tried was right.
    pub(super) fn right(mut self) {
        self.compared = true;
        let mut tables = self.throttle.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.attempts.remove(&self.key);
        tables.undo_minute(self.origin.as_ref());
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.compared {
            return;
        }
        let mut tables = self.throttle.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.undo(&self.key, self.at, self.until);
        tables.undo_minute(self.origin.as_ref());
    }
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

impl Throttle {
    /// One that knows where people signed in well, and when.
    pub(crate) fn new(known: impl IntoIterator<Item = (String, String, Micros)>) -> Self {
        let known = known.into_iter().map(|(name, group, at)| ((name, group), at)).collect();
        Self {
            tables: Mutex::new(Tables { known, ..Tables::default() }),
            known: HashQueue::new(Memory::new()),
            strangers: HashQueue::new(Memory::new()),
        }
    }

    /// Begins an attempt at a password, with a origin in the queue. It counts as wrong until [`Attempt::right`], so that attempts side by side count too.
    pub(super) fn password(&self, name: &str, from: Option<IpAddr>, now: Micros) -> Result<(Attempt<'_>, Ticket<Memory>), AppError> {
        let origin = Origin::of(from);
        let key = (super::order::shown(name), origin.group.clone());
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.pause(&key, now).map_err(wait)?;
        let known = tables.knows(&key, now);
        if !known {
            tables.minute(&origin, now).map_err(wait)?;
        }
        let queue = if known { &self.known } else { &self.strangers };
        let ticket = queue.ask(&origin).map_err(|Busy| AppError::from(busy()))?;
        let until = tables.count(key.clone(), now);
        if !known {
            tables.count_minute(&origin, now);
        }
        Ok((Attempt { throttle: self, key, origin: (!known).then_some(origin), at: now, until, compared: false }, ticket))
    }

    /// Begins an attempt at the code of somebody's app, from anywhere: whoever has the password may come from everywhere, and there are only a million
    /// codes. Whoever comes from where they signed in well is counted by themselves, so that nobody else keeps them out.
    pub(super) fn code(&self, name: &str, from: Option<IpAddr>, now: Micros) -> Result<Attempt<'_>, AppError> {
        let group = Origin::of(from).group;
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tables.knows(&(name.to_owned(), group.clone()), now);
        let key = (format!("code of {name}"), if known { group } else { String::new() });
        tables.pause(&key, now).map_err(wait)?;
        let until = tables.count(key.clone(), now);
        Ok(Attempt { throttle: self, key, origin: None, at: now, until, compared: false })
    }

    /// Whoever comes under this name from there is no stranger from now on.
    pub(super) fn know(&self, name: &str, from: Option<IpAddr>, now: Micros) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut tables.known, MOST_KNOWN, |at| at.0);
        tables.known.insert((name.to_owned(), Origin::of(from).group), now);
    }

    /// The turn of a hash that the Panel itself needs, beside those who are known.
    pub(super) async fn of_our_own(&self) -> Result<Turn<Memory>, AppError> {
        turn(self.known.ask(&Origin::of(None)).map_err(|Busy| AppError::from(busy()))?).await
    }
}

/// Waits for a turn.
pub(super) async fn turn(ticket: Ticket<Memory>) -> Result<Turn<Memory>, AppError> {
    ticket.turn().await.map_err(|Busy| busy().into())
}

/// Too many people are signing in.
fn busy() -> Refusal {
    Refusal::too_many_requests("Too many people are signing in at the moment.", Duration::from_secs(5))
}

fn wait(wait: Duration) -> AppError {
    Refusal::too_many_requests("Too many wrong attempts.", wait).into()
}

impl Tables {
    fn knows(&self, key: &Key, now: Micros) -> bool {
        self.known.get(key).is_some_and(|at| at.plus(KNOWN) > now)
    }

    /// How long to wait before the next attempt.
    fn pause(&self, key: &Key, now: Micros) -> Result<(), Duration> {
        match self.attempts.get(key) {
            // A longer one was begun by a clock that was ahead.
            Some(one) if one.not_before > now && one.not_before.since(now) <= LONGEST => Err(one.not_before.since(now)),
            _ => Ok(()),
        }
    }

    /// Counts an attempt as wrong; until when the next one has to wait.
    fn count(&mut self, key: Key, now: Micros) -> Micros {
        if !self.attempts.contains_key(&key) {
            // Those of which the most was tried are kept the longest, so that nobody gets rid of a pause by trying other names.
            make_room(&mut self.attempts, REMEMBERED, |one| (one.wrong, one.not_before));
        }
        let one = self.attempts.entry(key).or_insert(Attempts { wrong: 0, not_before: now });
        // A pause that was sat out does not start from the beginning, but an hour of quiet does.
        if now.since(one.not_before) > Duration::from_hours(1) {
            one.wrong = 0;
        }
        one.wrong += 1;
        let pause = match one.wrong.checked_sub(FREE) {
            None | Some(0) => Duration::ZERO,
            Some(over) => Duration::from_secs(1 << over.min(10)).min(LONGEST),
        };
        one.not_before = now.plus(pause);
        one.not_before
    }

    /// An attempt at `at` was none, and brought no pause.
    fn undo(&mut self, key: &Key, at: Micros, until: Micros) {
        let Some(one) = self.attempts.get_mut(key) else { return };
        one.wrong = one.wrong.saturating_sub(1);
        if one.not_before == until {
            one.not_before = at;
        }
        if one.wrong == 0 {
            self.attempts.remove(key);
        }
    }

    fn undo_minute(&mut self, origin: Option<&Origin>) {
        for of in origin.into_iter().flat_map(|origin| [&origin.group, &origin.range]) {
            if let Some(minute) = self.minutes.get_mut(of) {
                minute.tried = minute.tried.saturating_sub(1);
            }
        }
    }

    /// How long to wait until something may be tried from there again, under whatever name.
    fn minute(&self, origin: &Origin, now: Micros) -> Result<(), Duration> {
        for (of, most) in [(&origin.group, A_GROUP), (&origin.range, A_RANGE)] {
            if let Some(minute) = self.minutes.get(of).filter(|minute| minute.goes_on(now) && minute.tried >= most) {
                return Err(minute.until.since(now));
            }
        }
        Ok(())
    }

    fn count_minute(&mut self, origin: &Origin, now: Micros) {
        for of in [&origin.group, &origin.range] {
            if !self.minutes.contains_key(of) {
                if self.minutes.len() >= REMEMBERED {
                    self.minutes.retain(|_, minute| minute.goes_on(now));
                }
                make_room(&mut self.minutes, REMEMBERED, |minute| minute.tried);
            }
            let minute = self.minutes.entry(of.clone()).or_insert(Minute { until: now, tried: 0 });
            if !minute.goes_on(now) {
                *minute = Minute { until: now.plus(MINUTE), tried: 0 };
            }
            minute.tried += 1;
        }
    }
}

/// Forgets a tenth of a table that is full: what `kept` is least of.
fn make_room<K: Hash + Eq + Clone, V, O: Ord>(table: &mut HashMap<K, V>, most: usize, kept: impl Fn(&V) -> O) {
    if table.len() < most {
        return;
    }
    let mut all: Vec<(O, K)> = table.iter().map(|(key, value)| (kept(value), key.clone())).collect();
    let tenth = most / 10;
    all.select_nth_unstable_by(tenth, |one, other| one.0.cmp(&other.0));
    for (_, key) in all.into_iter().take(tenth) {
        table.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Code;

    const NOW: Micros = Micros(1_793_000_000_000_000);

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The seconds that a refusal asks to wait.
    fn seconds(error: AppError) -> u64 {
        let AppError::Refused(refusal) = error else { panic!("{error}") };
        assert_eq!(refusal.code, Code::TooManyRequests);
        refusal.retry_after.unwrap()
    }

    /// Whether a wrong password may be tried.
    fn wrong(throttle: &Throttle, name: &str, from: &str, now: Micros) -> Result<(), AppError> {
        throttle.password(name, Some(at(from)), now).map(|(mut attempt, _)| attempt.compare())
    }

    #[tokio::test]
    async fn guessing_becomes_slow_and_a_right_password_makes_it_quick_again() {
        let throttle = Throttle::new([]);
        let from = "203.0.113.7";
        let mut now = NOW;
        for _ in 0..=FREE {
            assert!(wrong(&throttle, "ada", from, now).is_ok());
        }
        let wait = seconds(wrong(&throttle, "ada", from, now).unwrap_err());
        assert!(wrong(&throttle, "ada", "203.0.113.8", now).is_ok(), "another address is another caller");
        now = now.plus(Duration::from_secs(wait));
        let (attempt, _) = throttle.password("ada", Some(at(from)), now).unwrap();
        assert!(seconds(wrong(&throttle, "ada", from, now).unwrap_err()) > wait);
        attempt.right();
        assert!(wrong(&throttle, "ada", from, now).is_ok());
    }

    #[tokio::test]
    async fn an_attempt_whose_password_was_never_compared_was_none() {
        let throttle = Throttle::new([]);
        let from = "203.0.113.7";
        for _ in 0..10 * A_RANGE {
            assert!(throttle.password("ada", Some(at(from)), NOW).is_ok(), "the Panel was busy");
            assert!(throttle.code("ada", Some(at(from)), NOW).is_ok());
        }
        for _ in 0..=FREE {
            assert!(wrong(&throttle, "ada", from, NOW).is_ok(), "and a wrong one is still one of the first");
        }
        let wait = seconds(wrong(&throttle, "ada", from, NOW).unwrap_err());
        let later = NOW.plus(Duration::from_secs(wait));
        for _ in 0..10 {
            let (mut attempt, _) = throttle.password("ada", Some(at(from)), later).unwrap();
            attempt.compare();
            attempt.broke();
        }
        assert!(wrong(&throttle, "ada", from, later).is_ok());
        assert!(seconds(wrong(&throttle, "ada", from, later).unwrap_err()) > wait, "what was wrong before is not forgotten");
    }

    #[tokio::test]
    async fn a_clock_that_was_ahead_keeps_nobody_out() {
        let throttle = Throttle::new([]);
        let ahead = NOW.plus(Duration::from_hours(24));
        let from = "203.0.113.7";
        for one in 0..A_GROUP {
            assert!(wrong(&throttle, &format!("n{}", one / 6), from, ahead).is_ok());
        }
        assert!(wrong(&throttle, "eve", from, ahead).is_err(), "too many from there");
        assert!(wrong(&throttle, "n0", from, NOW).is_ok(), "the clock was put right");
        for one in 0..A_GROUP - 1 {
            assert!(wrong(&throttle, &format!("m{one}"), from, NOW).is_ok());
        }
        assert_eq!(seconds(wrong(&throttle, "eve", from, NOW).unwrap_err()), 60, "and counting goes on");
        assert_eq!((0..20).filter(|_| wrong(&throttle, "ada", "203.0.113.8", NOW).is_ok()).count(), 6, "pauses, too");
    }

    #[tokio::test]
    async fn ever_new_names_are_so_many_a_minute_from_an_address_and_from_a_range() {
        let throttle = Throttle::new([]);
        let tried = |from: &str, now: Micros| (0..200).filter(|one| wrong(&throttle, &format!("n{one}"), from, now).is_ok()).count();
        assert_eq!(tried("2001:db8:1:1::7", NOW), 20);
        assert_eq!(tried("2001:db8:1:1::8", NOW), 0, "the same /64");
        let range: usize = (2..50).map(|network| tried(&format!("2001:db8:1:{network:x}::7"), NOW)).sum();
        assert_eq!(range, 40, "the same /48");
        assert_eq!(seconds(throttle.password("x", Some(at("2001:db8:1:99::7")), NOW).err().unwrap()), 60);
        assert_eq!(tried("2001:db8:2:1::7", NOW), 20, "another /48");
        assert_eq!(tried("2001:db8:1:1::7", NOW.plus(Duration::from_secs(61))), 20, "another minute");
        // What was right does not count.
        let (right, _) = throttle.password("ada", Some(at("198.51.100.1")), NOW).unwrap();
        right.right();
        assert_eq!(tried("198.51.100.1", NOW), 20);
    }

    #[tokio::test]
    async fn who_signed_in_well_from_there_is_kept_out_by_no_stranger() {
        let throttle = Throttle::new([("ada".to_owned(), "198.51.100.7".to_owned(), NOW)]);
        let mut tickets = Vec::new();
        for one in 0..20_000 {
            let from = format!("10.{}.{}.1", one / 200 % 200, one % 200);
            tickets.extend(throttle.password("ada", Some(at(&from)), NOW).ok());
        }
        assert!(tickets.len() < 200, "{}", tickets.len());
        assert!(throttle.password("sue", Some(at("198.51.100.8")), NOW).is_err(), "a stranger is told to come later");
        let (_, ticket) = throttle.password("ada", Some(at("198.51.100.7")), NOW).unwrap();
        assert!(turn(ticket).await.is_ok());
        // From the very same address, somebody tries other names.
        for one in 0..100 {
            let _ = wrong(&throttle, &format!("n{one}"), "198.51.100.7", NOW);
        }
        assert!(throttle.password("ada", Some(at("198.51.100.7")), NOW).is_ok());
        let later = NOW.plus(KNOWN);
        assert!(throttle.password("ada", Some(at("198.51.100.7")), later).is_err(), "a stranger by now");
        assert!(!throttle.tables.lock().unwrap().knows(&("ada".to_owned(), "198.51.100.7".to_owned()), later));
    }

    #[tokio::test]
    async fn who_has_the_password_and_tries_codes_keeps_nobody_out_who_is_known() {
        let throttle = Throttle::new([("ada".to_owned(), "198.51.100.7".to_owned(), NOW)]);
        let tried = (0..100)
            .filter(|one| throttle.code("ada", Some(at(&format!("203.0.113.{one}"))), NOW).map(|mut code| code.compare()).is_ok())
            .count();
        assert_eq!(tried, 6, "from anywhere, all together");
        assert!(throttle.code("ada", Some(at("198.51.100.7")), NOW).is_ok());
        assert!(throttle.code("bob", Some(at("203.0.113.1")), NOW).is_ok());
    }

    #[test]
    fn no_table_grows_without_an_end_and_a_pause_outlives_other_names() {
        let mut tables = Tables::default();
        let guessed = ("ada".to_owned(), "203.0.113.7".to_owned());
        for _ in 0..8 {
            tables.count(guessed.clone(), NOW);
        }
        for one in 0..25_000 {
            for _ in 0..2 {
                tables.count((format!("n{one}"), "203.0.113.7".to_owned()), NOW);
            }
            tables.count_minute(&Origin { group: format!("g{one}"), range: format!("r{one}") }, NOW);
        }
        assert!(tables.attempts.len() <= REMEMBERED && tables.minutes.len() <= REMEMBERED + 1);
        assert!(tables.pause(&guessed, NOW).is_err());
        let throttle = Throttle::new([]);
        for one in 0..3 * MOST_KNOWN {
            throttle.know(&format!("n{one}"), None, NOW);
        }
        assert!(throttle.tables.lock().unwrap().known.len() <= MOST_KNOWN);
    }
}
