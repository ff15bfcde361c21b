//! Whose turn it is. Much work is done a few pieces at a time, and who asks for little does not wait behind who asks for much: whoever has the fewest
//! turns now is next, and of several with as many, who waited longest. What the host's staff asks for goes first.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// Whose work it is. All of one party's waits in one queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    /// The host's staff, root included.
    Staff,
    /// Whoever the Activity names so: a token, or the customer of one account.
    Other(String),
}

impl Party {
    /// The party of an actor as the Activity names it.
    pub(crate) fn of(actor: &str) -> Self {
        match actor.split_once(':').map_or(actor, |(kind, _)| kind) {
            "administrator" => Self::Staff,
            _ => Self::Other(actor.to_owned()),
        }
    }
}

/// How many turns there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Turns at the same time.
    pub(crate) at_once: usize,
    /// Turns of one party at the same time: as long as this is fewer than `at_once`, another party's work begins at once.
    pub(crate) share: usize,
    /// How long a turn counts. What takes longer waits for something, and goes on without keeping others from their turn.
    pub(crate) counted: Duration,
}

/// Turns for pieces of work, each known by its `Id`. Cheap to clone; all clones are one.
#[derive(Debug)]
pub(crate) struct Turns<Id: Copy + Eq + Hash + Debug> {
    limits: Limits,
    line: Arc<Mutex<Line<Id>>>,
}

impl<Id: Copy + Eq + Hash + Debug> Clone for Turns<Id> {
    fn clone(&self) -> Self {
        Self { limits: self.limits, line: self.line.clone() }
    }
}

/// The right to work now, or a place in the queue until then. Dropped, it is the next one's.
#[derive(Debug)]
#[must_use = "a turn is given back when it is dropped"]
pub(crate) struct Turn<Id: Copy + Eq + Hash + Debug> {
    turns: Turns<Id>,
    id: Id,
}

#[derive(Debug)]
struct Line<Id> {
    /// Who works, and until when that counts.
    held: HashMap<Id, (Party, Instant)>,
    /// Who waits. No queue is empty.
    waiting: Vec<Queue<Id>>,
    /// How many turns were given, and to whom the last.
    given: u64,
    last: Option<Party>,
}

#[derive(Debug)]
struct Queue<Id> {
    party: Party,
    /// How many turns had been given when this party got one, or began to wait if that was later; and whether the last of those was its own.
    since: (u64, bool),
    tickets: VecDeque<(Id, oneshot::Sender<()>)>,
}

impl<Id> Default for Line<Id> {
    fn default() -> Self {
        Self { held: HashMap::new(), waiting: Vec::new(), given: 0, last: None }
    }
}

impl<Id: Copy + Eq + Hash + Debug> Turns<Id> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, line: Arc::default() }
    }

    /// Waits for a turn; `waits` is called first if there is none at once. The same `id` is never in here twice. Whoever stops waiting leaves nothing
    /// behind.
    pub(crate) async fn take(&self, party: Party, id: Id, waits: impl FnOnce()) -> Turn<Id> {
        let (ticket, mut granted) = oneshot::channel();
        self.line().enqueue(party, id, ticket);
        // From here on it is given back whatever happens.
        let turn = Turn { turns: self.clone(), id };
        let mut next_look = self.give();
        if granted.try_recv().is_ok() {
            return turn;
        }
        waits();
        // Whoever waits also sees to it that turns that do not count any more are given to somebody.
        while tokio::time::timeout_at(next_look, &mut granted).await.is_err() {
            next_look = self.give();
        }
        turn
    }

    /// Has what waits be the next of its party: somebody waits for its end who must not wait for others.
    pub(crate) fn hurry(&self, id: Id) {
        let mut line = self.line();
        for queue in &mut line.waiting {
            if let Some(at) = queue.tickets.iter().position(|(one, _)| *one == id)
                && let Some(ticket) = queue.tickets.remove(at)
            {
                queue.tickets.push_front(ticket);
            }
        }
    }

    /// Gives every turn that is free; says when the next one stops to count.
    fn give(&self) -> Instant {
        let now = Instant::now();
        let mut line = self.line();
        line.held.retain(|_, (_, until)| *until > now);
        while line.held.len() < self.limits.at_once {
            let Some((party, id, ticket)) = line.next(self.limits.share) else { break };
            line.held.insert(id, (party, now + self.limits.counted));
            // Nobody, if it has stopped waiting: it takes itself out as soon as it gets the lock.
            let _ = ticket.send(());
        }
        line.held.values().map(|(_, until)| *until).min().unwrap_or(now + self.limits.counted)
    }

    fn line(&self) -> MutexGuard<'_, Line<Id>> {
        // Nothing that holds the lock can panic half-way through a change of what it guards.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Id: Copy + Eq + Hash + Debug> Line<Id> {
    fn enqueue(&mut self, party: Party, id: Id, ticket: oneshot::Sender<()>) {
        if let Some(queue) = self.waiting.iter_mut().find(|queue| queue.party == party) {
            queue.tickets.push_back((id, ticket));
        } else {
            let since = (self.given, self.last.as_ref() == Some(&party));
            self.waiting.push(Queue { party, since, tickets: [(id, ticket)].into() });
        }
    }

    /// Takes out whoever is next, if anybody may have one more turn.
    fn next(&mut self, share: usize) -> Option<(Party, Id, oneshot::Sender<()>)> {
        let holds = |party: &Party| self.held.values().filter(|(holder, _)| holder == party).count();
        let may = self.waiting.iter().enumerate().filter(|(_, queue)| holds(&queue.party) < share);
        let (at, _) = may.min_by_key(|(_, queue)| (queue.party != Party::Staff, holds(&queue.party), queue.since))?;
        self.given += 1;
        let queue = self.waiting.get_mut(at)?;
        queue.since = (self.given, true);
        let party = queue.party.clone();
        self.last = Some(party.clone());
        let next = queue.tickets.pop_front();
        if queue.tickets.is_empty() {
            self.waiting.swap_remove(at);
        }
        next.map(|(id, ticket)| (party, id, ticket))
    }

    /// Takes one out, wherever it is.
    fn leave(&mut self, id: Id) {
        self.held.remove(&id);
        for queue in &mut self.waiting {
            queue.tickets.retain(|(one, _)| *one != id);
        }
        self.waiting.retain(|queue| !queue.tickets.is_empty());
    }
}

impl<Id: Copy + Eq + Hash + Debug> Drop for Turn<Id> {
    fn drop(&mut self) {
        self.turns.line().leave(self.id);
        self.turns.give();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    /// Turns, and who waits for one.
    struct Lab {
        turns: Turns<u32>,
        waiting: Vec<(u32, BoxFuture<'static, Turn<u32>>)>,
        held: Vec<(u32, Turn<u32>)>,
        begun: u32,
    }

    impl Lab {
        fn new(at_once: usize, share: usize) -> Self {
            let turns = Turns::new(Limits { at_once, share, counted: LONG });
            Self { turns, waiting: Vec::new(), held: Vec::new(), begun: 0 }
        }

        /// Asks for a turn; says by which number it is known.
        fn ask(&mut self, party: &str) -> u32 {
            self.begun += 1;
            let (turns, party, id) = (self.turns.clone(), Party::of(party), self.begun);
            self.waiting.push((id, async move { turns.take(party, id, || ()).await }.boxed()));
            self.look();
            id
        }

        fn look(&mut self) {
            for (id, mut taking) in std::mem::take(&mut self.waiting) {
                match (&mut taking).now_or_never() {
                    Some(turn) => self.held.push((id, turn)),
                    None => self.waiting.push((id, taking)),
                }
            }
        }

        fn has(&self, id: u32) -> bool {
            self.held.iter().any(|(held, _)| *held == id)
        }

        /// Ends the piece of work that has had its turn longest; says whose turn it is then.
        fn end_first(&mut self) -> Vec<u32> {
            let before: Vec<u32> = self.held.iter().map(|(id, _)| *id).collect();
            drop(self.held.remove(0));
            self.look();
            self.held.iter().map(|(id, _)| *id).filter(|id| !before.contains(id)).collect()
        }

        fn is_empty(&self) -> bool {
            let line = self.turns.line();
            line.held.is_empty() && line.waiting.is_empty()
        }
    }

    #[tokio::test]
    async fn who_asks_for_little_is_next_whatever_others_have_asked_for() {
        let mut lab = Lab::new(4, 4);
        let many: Vec<u32> = (0..100).map(|_| lab.ask("token:a")).collect();
        assert_eq!(lab.held.len(), 4);
        let one = lab.ask("token:b");
        let other = lab.ask("token:c");
        assert_eq!(lab.end_first(), [one]);
        assert_eq!(lab.end_first(), [other]);
        assert_eq!(lab.end_first(), [many[4]]);
    }

    #[tokio::test]
    async fn as_long_as_one_has_only_its_share_another_begins_at_once() {
        let mut lab = Lab::new(4, 3);
        for _ in 0..10 {
            lab.ask("token:a");
        }
        assert_eq!(lab.held.len(), 3);
        let one = lab.ask("token:b");
        assert!(lab.has(one));
    }

    #[tokio::test]
    async fn those_who_all_ask_for_much_take_turns() {
        let mut lab = Lab::new(1, 1);
        let asked: Vec<(u32, &str)> =
            ["token:a", "token:b", "token:c"].iter().flat_map(|party| [*party; 4]).map(|party| (lab.ask(party), party)).collect();
        let whose = |id: u32| asked.iter().find(|(one, _)| *one == id).map(|(_, party)| *party).unwrap();
        let order: Vec<&str> = (1..asked.len()).map(|_| whose(lab.end_first()[0])).collect();
        let turn = ["token:b", "token:c", "token:a"];
        assert_eq!(order, turn.iter().copied().cycle().take(order.len()).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn those_who_come_again_and_again_starve_nobody() {
        let mut lab = Lab::new(1, 1);
        lab.ask("token:b");
        let patient = lab.ask("token:a");
        lab.ask("token:c");
        // Each comes again as soon as it is done, as a program does that orders one after the other.
        let turns = (0..10).take_while(|turn| {
            lab.end_first();
            lab.ask(if turn % 2 == 0 { "token:b" } else { "token:c" });
            !lab.has(patient)
        });
        assert!(turns.count() < 3);
    }

    #[tokio::test]
    async fn what_staff_asks_for_goes_first() {
        let mut lab = Lab::new(2, 2);
        for _ in 0..5 {
            lab.ask("token:a");
        }
        let root = lab.ask("administrator");
        let person = lab.ask("administrator:ada");
        assert_eq!(lab.end_first(), [root]);
        assert_eq!(lab.end_first(), [person]);
        assert_eq!(Party::of("token:administrator"), Party::Other("token:administrator".to_owned()), "a token cannot call itself staff");
    }

    #[tokio::test]
    async fn what_somebody_waits_for_is_the_next_of_its_own_party_and_passes_no_other() {
        let mut lab = Lab::new(1, 1);
        lab.ask("token:a");
        let behind = lab.ask("token:a");
        let hurried = lab.ask("token:a");
        let other = lab.ask("token:b");
        lab.turns.hurry(hurried);
        assert_eq!(lab.end_first(), [other]);
        assert_eq!(lab.end_first(), [hurried]);
        assert_eq!(lab.end_first(), [behind]);
        lab.turns.hurry(hurried);
        assert!(lab.has(behind));
    }

    #[tokio::test]
    async fn who_stops_waiting_or_breaks_leaves_nothing_behind() {
        let mut lab = Lab::new(1, 1);
        lab.ask("token:a");
        for party in ["token:a", "token:b"] {
            lab.ask(party);
        }
        let last = lab.ask("token:a");
        // Two stop waiting: one before its turn, and one whose turn came when it was no longer looking.
        let gone = lab.waiting.remove(0);
        let given = lab.waiting.remove(0);
        drop(gone);
        drop(lab.held.remove(0));
        drop(given);
        lab.look();
        assert!(lab.has(last));
        let turns = lab.turns.clone();
        lab.held.clear();
        let broken = std::panic::AssertUnwindSafe(async move {
            let _turn = turns.take(Party::Staff, 1000, || ()).await;
            panic!("on purpose");
        });
        assert!(broken.catch_unwind().await.is_err());
        assert!(lab.is_empty());
    }

    #[tokio::test]
    async fn a_turn_that_takes_too_long_does_not_count_any_more() {
        let turns = Turns::new(Limits { at_once: 1, share: 1, counted: Duration::from_millis(20) });
        let silent = turns.take(Party::Staff, 1, || ()).await;
        // It has to wait, and nobody gives anything back.
        let next = turns.take(Party::of("token:a"), 2, || ()).await;
        drop(next);
        drop(silent);
        assert!(turns.line().held.is_empty());
    }

    #[tokio::test]
    async fn who_waits_is_told_so_and_who_does_not_is_not() {
        let turns = Turns::new(Limits { at_once: 1, share: 1, counted: LONG });
        let mut told = false;
        let first = turns.take(Party::Staff, 1, || told = true).await;
        assert!(!told);
        assert!(turns.take(Party::Staff, 2, || told = true).now_or_never().is_none());
        assert!(told);
        drop(first);
    }
}
