//! How many operations of each party are open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::turns::Party;

/// How much of each party is open, so that nobody makes more of it than can be kept.
#[derive(Debug, Clone)]
pub(crate) struct OpenOperations {
    /// The most of one party that is not the staff.
    of_one: usize,
    /// The most of all parties that are not the staff together, and the most of the staff.
    of_all: usize,
    taken: Arc<Mutex<HashMap<Party, usize>>>,
}

/// One that is open. Dropped, it is not any more.
#[derive(Debug)]
#[must_use = "it is not open any more when it is dropped"]
pub(crate) struct OpenOperation {
    all: OpenOperations,
    party: Party,
}

/// Why no more may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// This party has as many as one may have.
    OfOne(usize),
    /// All together have as many as there may be.
    OfAll,
}

impl OpenOperations {
    pub(crate) fn new(of_one: usize, of_all: usize) -> Self {
        Self { of_one, of_all, taken: Arc::default() }
    }

    /// Opens one, if one more may be open.
    pub(crate) fn take(&self, party: Party) -> Result<OpenOperation, Full> {
        let mut taken = self.taken();
        self.room(&taken, &party)?;
        *taken.entry(party.clone()).or_default() += 1;
        Ok(OpenOperation { all: self.clone(), party })
    }

    /// Opens one, whether or not one more may be: what is open already stays so.
    pub(crate) fn retake(&self, party: Party) -> OpenOperation {
        *self.taken().entry(party.clone()).or_default() += 1;
        OpenOperation { all: self.clone(), party }
    }

    /// Whether one more may be open now.
    pub(crate) fn look(&self, party: &Party) -> Result<(), Full> {
        self.room(&self.taken(), party)
    }

    fn room(&self, taken: &HashMap<Party, usize>, party: &Party) -> Result<(), Full> {
        let own = taken.get(party).copied().unwrap_or_default();
        if *party == Party::Staff {
            return if own < self.of_all { Ok(()) } else { Err(Full::OfAll) };
        }
        if own >= self.of_one {
            return Err(Full::OfOne(self.of_one));
        }
        let others: usize = taken.iter().filter(|(party, _)| **party != Party::Staff).map(|(_, taken)| taken).sum();
        if others < self.of_all { Ok(()) } else { Err(Full::OfAll) }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Party, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenOperation {
    fn drop(&mut self) {
        let mut taken = self.all.taken();
        if let Some(number) = taken.get_mut(&self.party) {
            *number -= 1;
            if *number == 0 {
                taken.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_party_has_so_many_open_and_all_together_so_many_and_each_is_given_back() {
        let open = OpenOperations::new(2, 3);
        let (a, b) = (Party::of("token:a"), Party::of("token:b"));
        let first = open.take(a.clone()).unwrap();
        let second = open.take(a.clone()).unwrap();
        assert_eq!(open.take(a.clone()).unwrap_err(), Full::OfOne(2));
        let third = open.take(b.clone()).unwrap();
        assert_eq!(open.look(&b), Err(Full::OfAll));
        let staff: Vec<OpenOperation> = (0..3).map(|_| open.take(Party::Staff).unwrap()).collect();
        assert_eq!(open.take(Party::Staff).unwrap_err(), Full::OfAll, "the staff's are counted by themselves, and not without an end");
        drop(first);
        assert_eq!(open.look(&a), Ok(()));
        // What is open from before counts, and is never refused.
        let again: Vec<OpenOperation> = (0..5).map(|_| open.retake(a.clone())).collect();
        assert_eq!(open.look(&a), Err(Full::OfOne(2)));
        drop((again, second, third, staff));
        assert!(open.taken().is_empty());
    }
}
