//! Turns at something that is expensive, one after another. Whoever asks from many addresses of one range does not push others back: ranges are
//! served in turn, and only so many may wait.

use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::origin::Origin;

/// Callers that may wait at the same time.
const MOST: usize = 64;
/// The same from one address, with whoever has the turn.
const MOST_OF_A_GROUP: usize = 4;
/// The same from one range of addresses.
const MOST_OF_A_RANGE: usize = 8;
/// The longest that somebody waits.
const LONGEST: Duration = Duration::from_secs(10);

/// Too many wait already, or it took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

/// What was not worked with for so long is thrown away, and made anew for the next turn: 19 MiB once in so long cost nobody anything.
const KEPT: Duration = Duration::from_mins(10);

/// Turns at hashing, and what whoever has the turn works with.
pub(super) struct HashQueue<T> {
    queue: Mutex<Queue<T>>,
    tool: Mutex<Tool<T>>,
}

/// What is worked with.
struct Tool<T> {
    made: T,
    last_used: Instant,
    /// Whether somebody waits to throw it away.
    watched: bool,
}

struct Queue<T> {
    /// Who has the turn.
    under_way: Option<Origin>,
    waiting: Vec<Waiting<T>>,
    /// The round that is being served. Each range gets one turn in a round.
    round: u64,
    arrivals: u64,
}

struct Waiting<T> {
    origin: Origin,
    round: u64,
    arrival: u64,
    wake: oneshot::Sender<Turn<T>>,
}

/// The turn of somebody; the next one's begins when it is dropped.
pub(super) struct Turn<T>(Arc<HashQueue<T>>);

/// A place in the queue, which is given up when it is dropped.
pub(super) struct Ticket<T>(oneshot::Receiver<Turn<T>>);

impl<T> HashQueue<T> {
    pub(super) fn new(tool: T) -> Arc<Self> {
        let queue = Queue { under_way: None, waiting: Vec::new(), round: 0, arrivals: 0 };
        let tool = Tool { made: tool, last_used: Instant::now(), watched: false };
        Arc::new(Self { queue: Mutex::new(queue), tool: Mutex::new(tool) })
    }

    /// A place in the queue; nothing if too many wait already, altogether or from there.
    pub(super) fn ask(self: &Arc<Self>, origin: &Origin) -> Result<Ticket<T>, Busy> {
        let (wake, woken) = oneshot::channel();
        {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.waiting.retain(|one| !one.wake.is_closed());
            let there = || queue.waiting.iter().map(|one| &one.origin).chain(&queue.under_way);
            if there().filter(|other| other.group == origin.group).count() >= MOST_OF_A_GROUP
                || there().filter(|other| other.range == origin.range).count() >= MOST_OF_A_RANGE
            {
                return Err(Busy);
            }
            let of_range = queue.waiting.iter().filter(|one| one.origin.range == origin.range).map(|one| one.round).max();
            let round = of_range.unwrap_or(queue.round) + 1;
            if queue.waiting.len() >= MOST {
                // Whoever would have come last of those that come again and again makes room for somebody who comes for the first time.
                let last =
                    queue.waiting.iter().enumerate().max_by_key(|(_, one)| (one.round, one.arrival)).map(|(at, one)| (at, one.round));
                match last {
                    Some((at, later)) if later > round => drop(queue.waiting.swap_remove(at)),
                    _ => return Err(Busy),
                }
            }
            queue.arrivals += 1;
            let arrival = queue.arrivals;
            queue.waiting.push(Waiting { origin: origin.clone(), round, arrival, wake });
        }
        self.next(false);
        Ok(Ticket(woken))
    }

    /// Gives the turn to whoever is next, if nobody has it or whoever had it is done.
    fn next(self: &Arc<Self>, done: bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if done {
            queue.under_way = None;
        }
        if queue.under_way.is_some() {
            return;
        }
        let first = queue.waiting.iter().enumerate().min_by_key(|(_, one)| (one.round, one.arrival)).map(|(at, _)| at);
        let Some(at) = first else { return };
        let one = queue.waiting.swap_remove(at);
        queue.round = queue.round.max(one.round);
        queue.under_way = Some(one.origin);
        drop(queue);
        // If nobody waits there any more, the turn is dropped, and with that the next one's begins.
        drop(one.wake.send(Turn(self.clone())));
    }
}

impl<T: Default + Send + 'static> Turn<T> {
    /// Works with what there is for whoever has the turn. Must be called in the runtime, on a thread that may block.
    pub(super) fn work<R>(self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut tool = self.0.tool.lock().unwrap_or_else(PoisonError::into_inner);
        if !tool.watched {
            tool.watched = true;
            tokio::spawn(throw_away_when_unused(Arc::downgrade(&self.0)));
        }
        let done = work(&mut tool.made);
        tool.last_used = Instant::now();
        done
    }
}

impl<T: Default> HashQueue<T> {
    /// Throws away what is worked with, if it was not used for [`KEPT`]; else for how long to wait before the next look.
    fn throw_away(&self, now: Instant) -> Option<Duration> {
        let mut tool = match self.tool.try_lock() {
            Ok(tool) => tool,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody works with it at this moment.
            Err(TryLockError::WouldBlock) => return Some(KEPT),
        };
        let left = KEPT.saturating_sub(now.saturating_duration_since(tool.last_used));
        if !left.is_zero() {
            return Some(left);
        }
        tool.made = T::default();
        tool.watched = false;
        None
    }
}

async fn throw_away_when_unused<T: Default>(queue: Weak<HashQueue<T>>) {
    let mut wait = Some(KEPT);
    while let Some(time) = wait {
        tokio::time::sleep(time).await;
        wait = queue.upgrade().and_then(|queue| queue.throw_away(Instant::now()));
    }
}

impl<T> Drop for Turn<T> {
    fn drop(&mut self) {
        self.0.next(true);
    }
}

impl<T> Ticket<T> {
    /// Waits for the turn, ten seconds at most.
    pub(super) async fn turn(self) -> Result<Turn<T>, Busy> {
        match tokio::time::timeout(LONGEST, self.0).await {
            Ok(Ok(turn)) => Ok(turn),
            // Too late, or somebody else got the place.
            Err(_) | Ok(Err(_)) => Err(Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(group: &str, range: &str) -> Origin {
        Origin { group: group.to_owned(), range: range.to_owned() }
    }

    #[tokio::test]
    async fn ranges_are_served_in_turn_however_many_of_one_wait() {
        let queue = HashQueue::new(());
        let running = queue.ask(&origin("a0", "a")).unwrap().turn().await.unwrap();
        let mut tickets: Vec<_> = (1..=7).map(|at| queue.ask(&origin(&format!("a{at}"), "a")).unwrap()).collect();
        tickets.push(queue.ask(&origin("b1", "b")).unwrap());
        tickets.push(queue.ask(&origin("b2", "b")).unwrap());
        tickets.push(queue.ask(&origin("c1", "c")).unwrap());
        let mut groups = Vec::new();
        drop(running);
        while !tickets.is_empty() {
            groups.push(queue.queue.lock().unwrap().under_way.clone().unwrap().group);
            let (at, turn) = tickets.iter_mut().enumerate().find_map(|(at, one)| Some((at, one.0.try_recv().ok()?))).unwrap();
            drop(tickets.remove(at));
            drop(turn);
        }
        assert_eq!(groups, ["a1", "b1", "c1", "a2", "b2", "a3", "a4", "a5", "a6", "a7"]);
    }

    #[tokio::test]
    async fn only_so_many_wait_of_an_address_of_a_range_and_altogether() {
        let queue = HashQueue::new(());
        let turn = queue.ask(&origin("x", "x")).unwrap().turn().await.unwrap();
        let mut tickets = Vec::new();
        for _ in 0..MOST_OF_A_GROUP {
            tickets.push(queue.ask(&origin("a", "a")).unwrap());
        }
        assert!(queue.ask(&origin("a", "a")).is_err());
        for at in MOST_OF_A_GROUP..MOST_OF_A_RANGE {
            tickets.push(queue.ask(&origin(&format!("a{at}"), "a")).unwrap());
        }
        assert!(queue.ask(&origin("another", "a")).is_err());
        for at in tickets.len()..MOST {
            tickets.push(queue.ask(&origin(&format!("g{at}"), &format!("r{at}"))).unwrap());
        }
        // Who comes for the first time takes the place of who came most often, and nobody else's.
        let new = queue.ask(&origin("new", "new")).unwrap();
        assert_eq!(queue.queue.lock().unwrap().waiting.len(), MOST);
        assert!(tickets.remove(MOST_OF_A_RANGE - 1).turn().await.is_err());
        drop(new);
        drop(turn);
    }

    #[tokio::test]
    async fn what_nobody_works_with_for_ten_minutes_is_thrown_away() {
        let queue = HashQueue::new(Vec::new());
        for _ in 0..2 {
            let turn = queue.ask(&origin("a", "a")).unwrap().turn().await.unwrap();
            turn.work(|memory: &mut Vec<u8>| memory.resize(1000, 0));
            let used = queue.tool.lock().unwrap().last_used;
            let minutes = Duration::from_mins;
            assert_eq!(queue.throw_away(used + minutes(9)), Some(minutes(1)));
            assert!(queue.tool.lock().unwrap().watched && queue.tool.lock().unwrap().made.len() == 1000);
            assert_eq!(queue.throw_away(used + minutes(10)), None);
            assert!(!queue.tool.lock().unwrap().watched && queue.tool.lock().unwrap().made.capacity() == 0);
        }
    }

    #[tokio::test]
    async fn who_hangs_up_gives_the_place_and_the_turn_back() {
        let queue = HashQueue::new(());
        let turn = queue.ask(&origin("a", "a")).unwrap().turn().await.unwrap();
        for _ in 0..10 * MOST {
            drop(queue.ask(&origin("b", "b")).unwrap());
        }
        let next = queue.ask(&origin("c", "c")).unwrap();
        drop(turn);
        let turn = next.turn().await.unwrap();
        drop(turn);
        // A turn that was given and never taken is given on.
        let given = queue.ask(&origin("a", "a")).unwrap();
        drop(given);
        assert!(queue.ask(&origin("b", "b")).unwrap().turn().await.is_ok());
    }
}
