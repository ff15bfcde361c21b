//! Who may hold how many connections and requests, decided before anybody is known.
//!
//! A connection belongs to one of three pools: that of strangers, that of addresses from which a customer's session came within the last 30 days
//! ([`REMEMBERED`]), or that of addresses from which a token or staff came. None can take a place of another. Each pool has a limit in total, for every address
//! and for the ranges around it, since whoever has one IPv6 network has very many addresses. A newcomer is never left to wait: it gets a
//! place, if need be that of the connection which is missed least, or it is closed at once.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long an address is remembered after a good token or session came from it.
/// Not the list in app/throttle.rs: that is about one person's password.
const REMEMBERED: Duration = Duration::from_hours(30 * 24);
/// The most addresses that are remembered, in all and of one wide range (see [`Range::of`]).
const MOST_REMEMBERED: usize = 4096;
const MOST_REMEMBERED_OF_A_RANGE: usize = 256;
/// The most connections that were told to end and have not ended yet; while there are more, newcomers are closed.
const LEAVING: usize = 256;
/// Refused connections are counted for this many minutes.
const MINUTES: usize = 60;

/// The most of something, for an address, for the three ranges around it, and in total.
type Limits = [usize; 5];

/// Connections of strangers. An address is an IPv4 address or an IPv6 /64; the ranges are /24, /16 and /8, or /56, /48 and /32.
const STRANGERS: Limits = [128, 192, 256, 512, 1024];
/// Connections of addresses from which only customers have signed in.
const CUSTOMERS: Limits = [64, 128, 192, 256, 512];
/// Connections of addresses of tokens and staff. Behind one of them may be a whole office, or a proxy with all customers behind it.
const CALLERS: Limits = [512, 512, 768, 1024, 1024];
/// Requests under way of strangers, and of addresses of customers. Each may hold as much memory as the largest body, 64 KiB.
const OTHERS_REQUESTS: Limits = [128, 192, 256, 384, 512];
/// Requests under way of addresses of tokens and staff.
const CALLERS_REQUESTS: Limits = [512, 512, 768, 1024, 1024];
/// Requests under way that an address has in any case, however many others have: nobody is kept out by what others hold.
const OWN_REQUESTS: usize = 4;
/// Streams of events that are open. Only whoever is signed in gets one.
const EVENT_STREAMS: Limits = [64, 128, 192, 256, 512];

/// An address as far as it is one caller, or a range of addresses. IPv4 addresses are written as IPv6 (`::ffff:0:0/96`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Range {
    bits: u128,
    length: u8,
}

/// An address and the ranges around it, the narrowest first.
type Ranges = [Range; 4];

impl Range {
    fn of(address: IpAddr) -> Ranges {
        let (bits, lengths) = match address.to_canonical() {
            IpAddr::V4(address) => (address.to_ipv6_mapped().to_bits(), [128, 120, 112, 104]),
            IpAddr::V6(address) => (address.to_bits(), [64, 56, 48, 32]),
        };
        lengths.map(|length| Self { bits: bits & Self::mask(length), length })
    }

    fn mask(length: u8) -> u128 {
        u128::MAX << (128 - u32::from(length))
    }

    /// Which of [`Ranges`] it is, 0 for an address.
    fn level(&self) -> usize {
        match self.length {
            128 | 64 => 0,
            120 | 56 => 1,
            112 | 48 => 2,
            _ => 3,
        }
    }

    fn contains(&self, other: &Self) -> bool {
        self.length <= other.length && other.bits & Self::mask(self.length) == self.bits
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match IpAddr::V6(self.bits.into()).to_canonical() {
            IpAddr::V4(address) => write!(f, "{address}/{}", self.length - 96),
            IpAddr::V6(address) => write!(f, "{address}/{}", self.length),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Pool {
    Strangers,
    Customers,
    Callers,
}

impl Pool {
    fn connections(self) -> &'static Limits {
        match self {
            Self::Strangers => &STRANGERS,
            Self::Customers => &CUSTOMERS,
            Self::Callers => &CALLERS,
        }
    }

    fn requests(self) -> &'static Limits {
        if self == Self::Callers { &CALLERS_REQUESTS } else { &OTHERS_REQUESTS }
    }
}

impl From<Shown> for Pool {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Customer => Self::Customers,
            Shown::Caller => Self::Callers,
        }
    }
}

/// What showed that somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shown {
    /// A customer's session. These are forgotten first, where there are too many.
    Customer,
    /// A token, a session of staff, or an administrator's password.
    Caller,
}

/// How much of something there is, by whom.
#[derive(Debug, Default)]
struct Counted {
    total: HashMap<Pool, usize>,
    by_range: HashMap<(Pool, Range), usize>,
}

impl Counted {
    fn of(&self, pool: Pool, range: Range) -> usize {
        self.by_range.get(&(pool, range)).copied().unwrap_or_default()
    }

    fn total(&self, pool: Pool) -> usize {
        self.total.get(&pool).copied().unwrap_or_default()
    }

    /// The first limit that one more would exceed: the index of the range, or 4 for the total.
    fn exceeds(&self, pool: Pool, ranges: &Ranges, limits: &Limits) -> Option<usize> {
        let full = |(at, range): (usize, &Range)| (self.of(pool, *range) >= limits[at]).then_some(at);
        ranges.iter().enumerate().find_map(full).or_else(|| (self.total(pool) >= limits[4]).then_some(4))
    }

    fn add(&mut self, pool: Pool, ranges: &Ranges) {
        *self.total.entry(pool).or_default() += 1;
        for range in ranges {
            *self.by_range.entry((pool, *range)).or_default() += 1;
        }
    }

    fn remove(&mut self, pool: Pool, ranges: &Ranges) {
        one_fewer(&mut self.total, &pool);
        for range in ranges {
            one_fewer(&mut self.by_range, &(pool, *range));
        }
    }
}

/// Takes one away from a count, and the count with the last one.
fn one_fewer<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// A connection that has a place.
#[derive(Debug)]
struct Held {
    ranges: Ranges,
    pool: Pool,
    ended: CancellationToken,
    arrived: Instant,
    /// When it last did something: when it came, and when a request began or ended.
    since: Instant,
    /// Requests under way.
    under_way: usize,
    /// Whether a good token or session was shown on it.
    good: bool,
}

impl Held {
    /// How little it would be missed, 3 least of all; 0 if it may not be closed for somebody else.
    fn dispensable(&self) -> u8 {
        match (self.good, self.under_way) {
            (false, 0) => 3,
            (false, _) => 2,
            (true, 0) => 1,
            (true, _) => 0,
        }
    }
}

#[derive(Debug, Default)]
struct Inside {
    held: HashMap<u64, Held>,
    connections: Counted,
    /// Requests that are carried out.
    requests: Counted,
    /// Requests that are being refused, by address.
    refusing: HashMap<(Pool, Range), usize>,
    streams: Counted,
    known: HashMap<Range, (Instant, Shown)>,
    next: u64,
    leaving: usize,
    /// How many connections were refused, by minute of [`Connections::began`]; the oldest first, [`MINUTES`] at most.
    refused: VecDeque<(u64, u64)>,
}

/// The connections of one Panel.
#[derive(Debug)]
pub(crate) struct Connections {
    inside: Mutex<Inside>,
    began: Instant,
    /// Handshakes that are computed: one of a stranger and one of somebody known at a time, so that they never take all processors.
    handshakes: [Semaphore; 2],
}

impl Default for Connections {
    fn default() -> Self {
        Self { inside: Mutex::default(), began: Instant::now(), handshakes: [Semaphore::new(1), Semaphore::new(1)] }
    }
}

/// A connection that has a place, which is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    connections: Arc<Connections>,
    id: u64,
    ranges: Ranges,
    ended: CancellationToken,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is carried out.
    Taken(RequestPlace),
    /// It is answered with 429.
    Refused(RequestPlace),
    /// So many were refused that the connection has to end.
    Flood,
}

/// A request that is under way. It is over when this is dropped.
#[derive(Debug)]
pub(crate) struct RequestPlace {
    connection: Arc<Connection>,
    pool: Pool,
    refused: bool,
}

/// An open stream of events. It is over when this is dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    connection: Arc<Connection>,
    pool: Pool,
}

/// When a connection has to end though nobody needs its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ages {
    /// How long it may be without a request under way.
    pub(crate) idle: Duration,
    /// How old it may become if nothing good was ever shown on it.
    pub(crate) stranger: Duration,
}

impl Connections {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `address`; nothing if it is to be closed at once.
    pub(crate) fn arrive(self: &Arc<Self>, address: IpAddr, now: Instant) -> Option<Connection> {
        let ranges = Range::of(address);
        let mut inside = self.inside();
        let mut refused = 0;
        let pool = inside.pool_for(&ranges, now, &mut refused);
        let connection = pool.map(|pool| {
            let ended = CancellationToken::new();
            let id = inside.next;
            inside.next += 1;
            inside.connections.add(pool, &ranges);
            let held = Held { ranges, pool, ended: ended.clone(), arrived: now, since: now, under_way: 0, good: false };
            inside.held.insert(id, held);
            Connection { connections: self.clone(), id, ranges, ended }
        });
        let first = refused > 0 && inside.note_refused(self.minute(now), refused);
        drop(inside);
        if first {
            tracing::warn!(newcomer = %ranges[0], "too many connections: refusing new ones or closing others (logged at most once a minute)");
        }
        connection
    }

    /// How many connections were refused, or ended for others, within the last hour because there were too many.
    pub(crate) fn refused_lately(&self, now: Instant) -> u64 {
        let minute = self.minute(now);
        self.inside().refused.iter().filter(|(at, _)| *at + MINUTES as u64 > minute).map(|(_, times)| times).sum()
    }

    fn minute(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs() / 60
    }
}

impl Inside {
    /// The pool of an address from which somebody came who is known.
    fn known_as(&self, address: Range, now: Instant) -> Option<Pool> {
        let (at, shown) = self.known.get(&address)?;
        (now.saturating_duration_since(*at) < REMEMBERED).then(|| Pool::from(*shown))
    }

    /// The pool that has a place for a newcomer; nothing if there is none. Adds to `refused` how many connections that cost.
    fn pool_for(&mut self, ranges: &Ranges, now: Instant, refused: &mut u64) -> Option<Pool> {
        for pool in self.known_as(ranges[0], now).into_iter().chain([Pool::Strangers]) {
            if self.make_room(pool, ranges, now, refused) {
                return Some(pool);
            }
        }
        *refused += 1;
        None
    }

    fn make_room(&mut self, pool: Pool, ranges: &Ranges, now: Instant, refused: &mut u64) -> bool {
        let limits = pool.connections();
        // Each turn ends one connection; more than one per limit are never needed.
        for _ in 0..=limits.len() {
            let Some(full) = self.connections.exceeds(pool, ranges, limits) else { return true };
            if self.leaving >= LEAVING {
                return false;
            }
            let Some(id) = self.least_missed(pool, ranges.get(full).copied(), limits, now) else { return false };
            self.end(id);
            *refused += 1;
        }
        false
    }

    /// The connection to be closed for a newcomer: of whoever has used most of their limit, the one that is missed least, idle longest.
    fn least_missed(&self, pool: Pool, within: Option<Range>, limits: &Limits, now: Instant) -> Option<u64> {
        let mut range = within;
        // From a range to the range in it that has most, until it is one address.
        while range.is_none_or(|range| range.level() > 0) {
            let inside = |one: &Range| range.is_none_or(|range| range.level() > one.level() && range.contains(one));
            let counts = self.connections.by_range.iter().filter(|((of, one), _)| *of == pool && inside(one));
            let Some(((_, most), _)) = counts.max_by_key(|((_, one), count)| *count * 1000 / limits[one.level()]) else { break };
            range = Some(*most);
        }
        self.least_missed_of(pool, range, now).or_else(|| self.least_missed_of(pool, within, now))
    }

    fn least_missed_of(&self, pool: Pool, range: Option<Range>, now: Instant) -> Option<u64> {
        let inside = |held: &Held| held.pool == pool && range.is_none_or(|range| range.contains(&held.ranges[0]));
        self.held
            .iter()
            .filter(|(_, held)| inside(held) && held.dispensable() > 0)
            .max_by_key(|(_, held)| (held.dispensable(), now.saturating_duration_since(held.since)))
            .map(|(id, _)| *id)
    }

    /// Ends a connection. Its place is free from now on.
    fn end(&mut self, id: u64) {
        if let Some(held) = self.held.remove(&id) {
            self.connections.remove(held.pool, &held.ranges);
            self.leaving += 1;
            held.ended.cancel();
        }
    }

    /// Counts connections that were refused; returns whether they are the first ones of this minute.
    fn note_refused(&mut self, minute: u64, times: u64) -> bool {
        match self.refused.back_mut() {
            Some((at, before)) if *at == minute => {
                *before = before.saturating_add(times);
                false
            }
            _ => {
                if self.refused.len() >= MINUTES {
                    self.refused.pop_front();
                }
                self.refused.push_back((minute, times));
                true
            }
        }
    }

    /// Remembers that somebody who is known comes from this address.
    fn remember(&mut self, ranges: &Ranges, shown: Shown, now: Instant) {
        if let Some((at, before)) = self.known.get_mut(&ranges[0]) {
            *before = if now.saturating_duration_since(*at) < REMEMBERED { shown.max(*before) } else { shown };
            *at = now;
            return;
        }
        let wide = ranges[2];
        let is_in = |one: &Range| wide.contains(one);
        if self.known.keys().filter(|one| is_in(one)).count() >= MOST_REMEMBERED_OF_A_RANGE {
            self.forget_one(is_in);
        } else if self.known.len() >= MOST_REMEMBERED {
            self.forget_one(|_| true);
        }
        self.known.insert(ranges[0], (now, shown));
    }

    fn forget_one(&mut self, among: impl Fn(&Range) -> bool) {
        let least = self.known.iter().filter(|(range, _)| among(range)).min_by_key(|(_, (at, shown))| (*shown, *at));
        if let Some(range) = least.map(|(range, _)| *range) {
            self.known.remove(&range);
        }
    }
}

impl Connection {
    /// Done when the place was given to somebody else.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Waits for a turn to compute a handshake; nothing if the Panel ends.
    pub(crate) async fn handshake(&self) -> Option<SemaphorePermit<'_>> {
        let known = self.connections.inside().held.get(&self.id).is_some_and(|held| held.pool == Pool::Callers);
        self.connections.handshakes[usize::from(known)].acquire().await.ok()
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>, now: Instant) -> Begun {
        let mut inside = self.connections.inside();
        let Some(held) = inside.held.get_mut(&self.id) else { return Begun::Flood };
        held.under_way += 1;
        held.since = now;
        let pool = held.pool;
        let (address, limits) = (self.ranges[0], pool.requests());
        let own = inside.requests.of(pool, address);
        if own < OWN_REQUESTS || inside.requests.exceeds(pool, &self.ranges, limits).is_none() {
            inside.requests.add(pool, &self.ranges);
            return Begun::Taken(RequestPlace { connection: self.clone(), pool, refused: false });
        }
        let refusing = inside.refusing.entry((pool, address)).or_default();
        *refusing += 1;
        let flood = *refusing > limits[0];
        drop(inside);
        let request = RequestPlace { connection: self.clone(), pool, refused: true };
        if flood { Begun::Flood } else { Begun::Refused(request) }
    }

    /// A stream of events begins; nothing if there are too many.
    pub(crate) fn stream(self: &Arc<Self>) -> Option<StreamPlace> {
        let mut inside = self.connections.inside();
        let pool = inside.held.get(&self.id)?.pool;
        if inside.streams.exceeds(pool, &self.ranges, &EVENT_STREAMS).is_some() {
            return None;
        }
        inside.streams.add(pool, &self.ranges);
        Some(StreamPlace { connection: self.clone(), pool })
    }

    /// A good token or session was shown on this connection.
    pub(crate) fn is_good(&self, shown: Shown, now: Instant) {
        let mut inside = self.connections.inside();
        inside.remember(&self.ranges, shown, now);
        let better = Pool::from(shown);
        let room = inside.connections.exceeds(better, &self.ranges, better.connections()).is_none();
        let Some(held) = inside.held.get_mut(&self.id) else { return };
        held.good = true;
        if room && held.pool < better {
            let before = std::mem::replace(&mut held.pool, better);
            inside.connections.remove(before, &self.ranges);
            inside.connections.add(better, &self.ranges);
        }
    }

    /// Whether a good token or session was shown on this connection.
    pub(crate) fn has_shown_good(&self) -> bool {
        self.connections.inside().held.get(&self.id).is_some_and(|held| held.good)
    }

    /// Whether the connection has been of no use for too long.
    pub(crate) fn is_over(&self, ages: &Ages, now: Instant) -> bool {
        self.connections.inside().held.get(&self.id).is_none_or(|held| {
            let idle = held.under_way == 0 && now.saturating_duration_since(held.since) >= ages.idle;
            idle || !held.good && now.saturating_duration_since(held.arrived) >= ages.stranger
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut inside = self.connections.inside();
        match inside.held.remove(&self.id) {
            Some(held) => inside.connections.remove(held.pool, &held.ranges),
            None => inside.leaving = inside.leaving.saturating_sub(1),
        }
    }
}

impl Drop for RequestPlace {
    fn drop(&mut self) {
        let mut inside = self.connection.connections.inside();
        if self.refused {
            one_fewer(&mut inside.refusing, &(self.pool, self.connection.ranges[0]));
        } else {
            inside.requests.remove(self.pool, &self.connection.ranges);
        }
        if let Some(held) = inside.held.get_mut(&self.connection.id) {
            held.under_way = held.under_way.saturating_sub(1);
            held.since = Instant::now();
        }
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.connection.connections.inside().streams.remove(self.pool, &self.connection.ranges);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn connections() -> (Arc<Connections>, Instant) {
        (Arc::new(Connections::default()), Instant::now())
    }

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn is_there(connection: &Connection) -> bool {
        !connection.ended.is_cancelled()
    }

    /// The nth address of an IPv6 network of 48 bits, each in a /64 of its own.
    fn nth(network: &str, number: u16) -> IpAddr {
        at(&format!("{network}:{number:x}::1"))
    }

    #[test]
    fn one_address_holds_no_more_than_its_share_and_its_newest_connections_stay() {
        let (connections, now) = connections();
        let mut held = Vec::new();
        for number in 0..1024 {
            held.push(connections.arrive(at("203.0.113.7"), now + second(number)).unwrap());
            held.retain(is_there);
        }
        assert_eq!(held.len(), STRANGERS[0]);
        assert!(held.iter().all(|connection| connection.id >= 1024 - STRANGERS[0] as u64));
        assert!(connections.arrive(at("203.0.113.8"), now).is_some_and(|connection| is_there(&connection)));
        assert_eq!(connections.refused_lately(now + second(1024)), 1024 - STRANGERS[0] as u64);
    }

    #[test]
    fn a_wide_network_and_many_ipv4_addresses_are_bounded_too() {
        for (address, limit) in [
            (Box::new(|number| nth("2001:db8:1", number)) as Box<dyn Fn(u16) -> IpAddr>, STRANGERS[2]),
            (Box::new(|number| at(&format!("2001:db8:1:{:x}::1", number % 256))), STRANGERS[1]),
            (Box::new(|number| at(&format!("2001:db8:{number:x}::1"))), STRANGERS[3]),
            (Box::new(|number| at(&format!("203.0.113.{}", number % 256))), STRANGERS[1]),
            (Box::new(|number| at(&format!("203.0.{}.{}", number / 256, number % 256))), STRANGERS[2]),
            (Box::new(|number| at(&format!("203.{}.{}.1", number / 256, number % 256))), STRANGERS[3]),
            (Box::new(|number| at(&format!("{}.{}.0.1", 1 + number % 200, number / 200))), STRANGERS[4]),
        ] {
            let (connections, now) = connections();
            let held: Vec<Option<Connection>> = (0..2000).map(|number| connections.arrive(address(number), now)).collect();
            let there = held.iter().flatten().filter(|connection| is_there(connection)).count();
            // Connections that were told to end have not ended here, so that newcomers are closed from then on.
            assert_eq!(there, limit);
        }
    }

    #[test]
    fn while_strangers_hold_all_they_may_a_newcomer_still_gets_in_and_those_who_have_most_pay_for_it() {
        let (connections, now) = connections();
        let alone = connections.arrive(at("198.51.100.1"), now).unwrap();
        let mut attackers: Vec<Connection> = Vec::new();
        for number in 0..16_u64 {
            for _ in 0..STRANGERS[0] {
                // Whatever is told to end does.
                attackers.retain(is_there);
                let address = at(&format!("{}.0.113.7", 50 + number));
                attackers.extend(connections.arrive(address, now + second(number)));
            }
        }
        attackers.retain(is_there);
        assert_eq!(attackers.len() + 1, STRANGERS[4], "all places are taken");
        let newcomer = connections.arrive(at("192.0.2.9"), now + second(20)).unwrap();
        assert!(is_there(&newcomer) && is_there(&alone), "the oldest connection, but of an address that has only this one");
        assert_eq!(attackers.iter().filter(|connection| !is_there(connection)).count(), 1);
    }

    #[test]
    fn strangers_can_take_no_place_of_whom_is_known_and_an_address_is_known_for_a_month() {
        let (connections, now) = connections();
        let office = at("192.0.2.50");
        connections.arrive(office, now).unwrap().is_good(Shown::Caller, now);
        let mut strangers = Vec::new();
        for number in 0..2000_u16 {
            let connection = connections.arrive(at(&format!("{}.{}.0.1", 1 + number % 200, number / 200)), now);
            strangers.extend(connection.filter(is_there));
            strangers.retain(is_there);
        }
        assert_eq!(strangers.len(), STRANGERS[4]);
        let known: Vec<Connection> = (0..CALLERS[0]).map(|_| connections.arrive(office, now).unwrap()).collect();
        assert!(known.iter().all(is_there) && strangers.iter().all(is_there));
        let (later, other) = (now + REMEMBERED, at("192.0.2.50"));
        assert_eq!(connections.inside().known_as(Range::of(other)[0], later), None);
        assert_eq!(connections.inside().known_as(Range::of(other)[0], later - second(1)), Some(Pool::Callers));
    }

    #[test]
    fn a_request_of_somebody_known_is_never_cut_off_for_a_newcomer_and_a_stranger_s_slow_one_is() {
        let (connections, now) = connections();
        let address = at("203.0.113.7");
        let good = Arc::new(connections.arrive(address, now).unwrap());
        good.is_good(Shown::Caller, now);
        let good_request = good.begin(now);
        let slow = Arc::new(connections.arrive(address, now).unwrap());
        let slow_request = slow.begin(now);
        assert!(matches!((&slow_request, &good_request), (Begun::Taken(_), Begun::Taken(_))));
        let mut others = Vec::new();
        for number in 0..1200 {
            let other = Arc::new(connections.arrive(address, now + second(1 + number)).unwrap());
            others.push((other.begin(now + second(1 + number)), other));
            others.retain(|(_, connection)| is_there(connection));
        }
        assert!(!is_there(&slow) && is_there(&good));
    }

    #[test]
    fn a_customer_s_many_networks_push_no_token_s_address_out_of_memory() {
        let (connections, now) = connections();
        let mut inside = connections.inside();
        inside.remember(&Range::of(at("192.0.2.50")), Shown::Caller, now);
        for number in 0..6000_u32 {
            let address = at(&format!("2001:{:x}:{:x}::1", 0xdb0 + number / 300, number % 300));
            inside.remember(&Range::of(address), Shown::Customer, now + second(u64::from(number)));
        }
        assert_eq!(inside.known.len(), MOST_REMEMBERED);
        assert_eq!(inside.known_as(Range::of(at("192.0.2.50"))[0], now), Some(Pool::Callers));
        for number in 0..2000 {
            inside.remember(&Range::of(nth("2001:db8:1", number)), Shown::Customer, now + second(30_000));
        }
        let of_one = inside.known.keys().filter(|range| range.bits >> 80 == 0x2001_0db8_0001).count();
        assert_eq!(of_one, MOST_REMEMBERED_OF_A_RANGE);
    }

    #[test]
    fn requests_and_streams_are_bounded_whatever_the_number_of_connections() {
        let (connections, now) = connections();
        let held: Vec<Arc<Connection>> = (0..8).map(|_| Arc::new(connections.arrive(at("203.0.113.7"), now).unwrap())).collect();
        let begun: Vec<Begun> = (0..400).map(|number| held[number % 8].begin(now)).collect();
        let number = |wanted: fn(&Begun) -> bool| begun.iter().filter(|one| wanted(one)).count();
        assert_eq!(number(|one| matches!(one, Begun::Taken(_))), OTHERS_REQUESTS[0]);
        assert_eq!(number(|one| matches!(one, Begun::Refused(_))), OTHERS_REQUESTS[0]);
        assert_eq!(number(|one| matches!(one, Begun::Flood)), 400 - 2 * OTHERS_REQUESTS[0]);
        let other = Arc::new(connections.arrive(at("198.51.100.1"), now).unwrap());
        assert!(matches!(other.begin(now), Begun::Taken(_)));
        drop(begun);
        assert!(matches!(held[0].begin(now), Begun::Taken(_)), "they are over");
        let streams: Vec<_> = (0..200).map(|number| held[number % 8].stream()).collect();
        assert_eq!(streams.iter().flatten().count(), EVENT_STREAMS[0]);
        drop(streams);
        assert!(held[0].stream().is_some());
    }

    #[test]
    fn what_others_have_under_way_or_are_refused_keeps_nobody_out() {
        let (connections, now) = connections();
        let (mut held, mut begun) = (Vec::new(), Vec::new());
        let mut ask = |address: IpAddr, shown: Option<Shown>, times: usize| {
            let connection = Arc::new(connections.arrive(address, now).unwrap());
            if let Some(shown) = shown {
                connection.is_good(shown, now);
            }
            let before = begun.len();
            begun.extend((0..times).map(|_| connection.begin(now)));
            held.push(connection);
            begun[before..].iter().filter(|one| matches!(one, Begun::Taken(_))).count()
        };
        // Anybody with an account, and strangers, as many as there are places and more.
        for network in 1..60 {
            for shown in [None, Some(Shown::Customer)] {
                let address = at(&format!("{network}.{}.0.1", 1 + u8::from(shown.is_some())));
                assert!(ask(address, shown, 400) <= OTHERS_REQUESTS[0]);
            }
        }
        for network in 60..70 {
            assert!(ask(at(&format!("{network}.1.0.1")), Some(Shown::Caller), 600) <= CALLERS_REQUESTS[0]);
        }
        assert_eq!(ask(at("192.0.2.1"), None, 5), OWN_REQUESTS, "a stranger who may have a good token");
        assert_eq!(ask(at("192.0.2.2"), Some(Shown::Customer), 5), OWN_REQUESTS);
        assert_eq!(ask(at("192.0.2.3"), Some(Shown::Caller), 5), OWN_REQUESTS);
    }

    #[test]
    fn nothing_is_left_of_connections_that_ended() {
        let (connections, now) = connections();
        for number in 0..3000_u16 {
            let connection = Arc::new(connections.arrive(nth("2001:db8:1", number), now).unwrap());
            let requests: Vec<Begun> = (0..200).map(|_| connection.begin(now)).collect();
            connection.is_good(Shown::Customer, now);
            drop((connection.stream(), requests));
        }
        let inside = connections.inside();
        assert!(inside.held.is_empty() && inside.leaving == 0 && inside.refusing.is_empty());
        for counted in [&inside.connections, &inside.requests, &inside.streams] {
            assert!(counted.by_range.is_empty() && counted.total.values().all(|total| *total == 0));
        }
    }

    #[test]
    fn what_was_idle_for_too_long_or_never_showed_anything_good_is_over() {
        let (connections, now) = connections();
        let ages = Ages { idle: second(60), stranger: second(120) };
        let connection = Arc::new(connections.arrive(at("203.0.113.7"), now).unwrap());
        assert!(!connection.is_over(&ages, now + second(59)) && connection.is_over(&ages, now + second(60)));
        let request = connection.begin(now + second(50));
        assert!(!connection.is_over(&ages, now + second(119)), "a request is under way");
        assert!(connection.is_over(&ages, now + second(120)), "and yet nobody is known");
        connection.is_good(Shown::Caller, now);
        assert!(!connection.is_over(&ages, now + second(100_000)));
        drop(request);
    }

    #[test]
    fn what_was_refused_is_known_for_an_hour() {
        let (connections, now) = connections();
        let minute = |number: u64| now + second(number * 60);
        connections.inside().note_refused(0, 5);
        assert!(!connections.inside().note_refused(0, 2));
        assert!(connections.inside().note_refused(59, 1));
        assert_eq!(connections.refused_lately(minute(59)), 8);
        assert_eq!(connections.refused_lately(minute(60)), 1);
        assert!(connections.inside().note_refused(60, 3));
        assert_eq!(connections.refused_lately(minute(60)), 4);
        assert_eq!(connections.refused_lately(minute(200)), 0);
    }

    #[test]
    fn a_range_is_shown_as_people_write_it() {
        let shown = |text: &str| Range::of(at(text)).map(|range| range.to_string());
        assert_eq!(shown("203.0.113.7"), ["203.0.113.7/32", "203.0.113.0/24", "203.0.0.0/16", "203.0.0.0/8"]);
        assert_eq!(shown("::ffff:203.0.113.7")[0], "203.0.113.7/32");
        assert_eq!(shown("2001:db8:1:2::9"), ["2001:db8:1:2::/64", "2001:db8:1::/56", "2001:db8:1::/48", "2001:db8::/32"]);
    }
}
