//! How much one caller may ask for: a budget that fills up again steadily, for each token and for everybody who is signed in to the pages. A part of it
//! is kept for changes, and what closes an account costs nothing.
//!
//! The numbers are many times what a billing system with 10,000 accounts needs while its cron runs, and what a hundred orders at once take. Root on
//! the Panel's own machine has none.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opterius_model::{AccountId, TokenId};
use opterius_protocol::Micros;

use super::{Caller, CallerKind, Code, Refusal};
use crate::store::operation::Kind;

/// What a full budget holds: 4,000 requests that look, or 1,000 that change something, at once.
const FULL: i64 = 5_000;

/// What looks and links leave of it, so that whoever looks too much can still change something: 200 changes.
const RESERVE: i64 = 1_000;

/// What may be owed after refusals: 20 seconds.
const DEBT: i64 = 2_000;

/// How much comes back each second: 100 requests that look, or 20 that change something.
const A_SECOND: i64 = 100;

/// What a request costs that looks at something.
const LOOK: i64 = 1;

/// What a request costs that changes something.
const CHANGE: i64 = 5;

/// What a request costs that leaves rows behind without anything that would slow it down: a sign-in link, or another text for a token.
const LINK: i64 = 20;

/// What it costs besides if it is refused.
const REFUSED: i64 = 5;

/// What it costs besides if an operation of it was undone, which leaves an operation and an account that failed.
const FAILED: i64 = 95;

/// Callers whose budgets are known at the same time. Those that are full are forgotten first.
const KNOWN: usize = 10_000;

/// Whose budget it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Payer {
    /// Of a token, and of the staff that it signed in.
    Token(TokenId),
    /// Of one of the host's people.
    Person(String),
    /// Of everybody who is signed in as the customer of an account.
    Customer(AccountId),
    /// Of all who found no place of their own.
    Others,
}

impl Payer {
    /// Who pays for this caller's requests; nobody for root's.
    pub(crate) fn of(caller: &Caller) -> Option<Self> {
        match (caller.kind, caller.token_id) {
            (_, Some(token)) => Some(Self::Token(token)),
            (CallerKind::LocalAdministrator, None) => None,
            (CallerKind::Token | CallerKind::Administrator, None) => Some(Self::Person(caller.name.clone())),
        }
    }
}

/// What a request is, as far as its price goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Price {
    /// It looks at something.
    Look,
    /// It changes something.
    Change,
    /// It makes a sign-in link, or another text for a token.
    Link,
    /// It suspends or ends an account: nobody is ever too poor for that.
    Close,
}

impl Price {
    /// Of a request that does more than look.
    pub(crate) fn of_action(action: &str) -> Self {
        match action {
            "account.sign_in" | "self.sign_in" | "token.rotate_own" => Self::Link,
            _ if Kind::ALL.iter().any(|kind| kind.closes() && kind.action() == action) => Self::Close,
            _ => Self::Change,
        }
    }

    /// What it costs, and how little of the budget it may leave behind; nothing if it is free.
    fn units(self) -> Option<(i64, i64)> {
        match self {
            Self::Look => Some((LOOK, RESERVE)),
            Self::Change => Some((CHANGE, 0)),
            Self::Link => Some((LINK, RESERVE)),
            Self::Close => None,
        }
    }
}

/// Everybody's budget.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<Payer, Budget>>);

#[derive(Debug, Clone, Copy)]
struct Budget {
    /// In millionths, so that what comes back in a microsecond is a whole number. Below zero after refusals.
    left: i64,
    at: Micros,
}

const MILLION: i64 = 1_000_000;

impl Budget {
    fn full(now: Micros) -> Self {
        Self { left: FULL * MILLION, at: now }
    }

    fn fill(&mut self, now: Micros) {
        // A clock that was set back brings nothing, and keeps nobody waiting for it.
        let passed = now.0.saturating_sub(self.at.0).max(0);
        self.left = self.left.saturating_add(passed.saturating_mul(A_SECOND)).min(FULL * MILLION);
        self.at = now;
    }
}

impl Rates {
    /// Takes the price of a request out of a budget.
    ///
    /// # Errors
    /// How long to wait until there is enough in it; nothing was taken then.
    pub(crate) fn take(&self, payer: &Payer, price: Price, now: Micros) -> Result<(), Duration> {
        let Some((units, left)) = price.units() else { return Ok(()) };
        self.with(payer, now, |budget| {
            let missing = (units + left) * MILLION - budget.left;
            if missing > 0 {
                return Err(Duration::from_micros((missing / A_SECOND).unsigned_abs() + 1));
            }
            budget.left -= units * MILLION;
            Ok(())
        })
    }

    /// Takes what it costs besides that a request of this `price` was refused. By changes a budget may come to owe [`DEBT`].
    pub(crate) fn charge(&self, payer: &Payer, price: Price, refusal: &Refusal, now: Micros) {
        let least = match price {
            Price::Look | Price::Link => RESERVE,
            Price::Change => -DEBT,
            Price::Close => return,
        };
        let more = if was_undone(refusal) { FAILED } else { REFUSED };
        self.with(payer, now, |budget| budget.left = (budget.left - more * MILLION).max(least * MILLION).min(budget.left));
    }

    fn with<T>(&self, payer: &Payer, now: Micros, change: impl FnOnce(&mut Budget) -> T) -> T {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut payer = payer.clone();
        if budgets.len() >= KNOWN && !budgets.contains_key(&payer) {
            budgets.retain(|_, budget| {
                budget.fill(now);
                budget.left < FULL * MILLION
            });
            if budgets.len() >= KNOWN {
                payer = Payer::Others;
            }
        }
        let budget = budgets.entry(payer).or_insert_with(|| Budget::full(now));
        budget.fill(now);
        change(budget)
    }
}

/// Whether an operation was begun and undone. That a server cannot be reached, or cannot finish, is nothing that a caller could help.
fn was_undone(refusal: &Refusal) -> bool {
    refusal.operation_id.is_some() && !matches!(refusal.code, Code::OperationRunning | Code::ServerUnreachable | Code::NeedsAttention)
}

/// Why a request of this caller is not even looked at now.
pub(crate) fn too_much(who: &str, wait: Duration) -> Refusal {
    Refusal::too_many_requests(format!("{who} has sent too many requests."), wait)
}

#[cfg(test)]
mod tests {
    use opterius_model::OperationId;

    use super::*;

    const NOW: Micros = Micros(1_790_000_000_000_000);

    fn taken(rates: &Rates, payer: &Payer, price: Price, now: Micros) -> usize {
        (0..10_000).take_while(|_| rates.take(payer, price, now).is_ok()).count()
    }

    #[test]
    fn a_budget_fills_up_again_and_never_beyond_what_it_holds() {
        let (rates, payer) = (Rates::default(), Payer::Person("ada".to_owned()));
        assert_eq!(taken(&rates, &payer, Price::Look, NOW), 4000);
        assert_eq!(taken(&rates, &payer, Price::Change, NOW), 200, "what looks leave");
        let wait = rates.take(&payer, Price::Change, NOW).unwrap_err();
        assert_eq!(wait.as_millis(), 50);
        let later = NOW.plus(Duration::from_secs(3));
        assert_eq!(taken(&rates, &payer, Price::Change, later), 60);
        assert_eq!(taken(&rates, &payer, Price::Change, NOW), 0, "a clock that is set back brings nothing");
        assert_eq!(taken(&rates, &payer, Price::Change, NOW.plus(Duration::from_secs(1))), 20, "and keeps nobody waiting for it");
        assert_eq!(taken(&rates, &payer, Price::Link, NOW.plus(Duration::from_hours(24))), 200);
        assert_eq!(taken(&rates, &Payer::Person("bob".to_owned()), Price::Change, NOW), 1000, "each has one of their own");
    }

    #[test]
    fn who_is_refused_may_ask_less_often() {
        let (rates, payer) = (Rates::default(), Payer::Person("ada".to_owned()));
        let refusal = Refusal::new(Code::InvalidRequest, "no");
        let asked = |at: Micros| {
            (0..10_000)
                .take_while(|_| {
                    let may = rates.take(&payer, Price::Change, at).is_ok();
                    if may {
                        rates.charge(&payer, Price::Change, &refusal, at);
                    }
                    may
                })
                .count()
        };
        assert_eq!(asked(NOW), 500);
        let minute: usize = (1..=60).map(|second| asked(NOW.plus(Duration::from_secs(second)))).sum();
        assert!((595..=605).contains(&minute), "{minute} in a minute");
        for _ in 0..1000 {
            rates.charge(&payer, Price::Change, &refusal, NOW);
        }
        assert!(rates.take(&payer, Price::Change, NOW).unwrap_err() <= Duration::from_secs(21), "a debt has an end");
        assert!(rates.take(&payer, Price::Look, NOW).unwrap_err() <= Duration::from_secs(31), "and looks wait for what is kept");
    }

    #[test]
    fn looks_and_links_leave_something_for_changes_though_they_are_refused() {
        let refusal = Refusal::new(Code::NotFound, "no");
        for price in [Price::Look, Price::Link] {
            let (rates, payer) = (Rates::default(), Payer::Person("ada".to_owned()));
            taken(&rates, &payer, price, NOW);
            for _ in 0..1000 {
                rates.charge(&payer, price, &refusal, NOW);
            }
            assert!(rates.take(&payer, price, NOW).is_err());
            assert_eq!(taken(&rates, &payer, Price::Change, NOW), 200, "{price:?}");
        }
    }

    #[test]
    fn what_closes_an_account_costs_nothing_and_needs_nothing() {
        let (rates, payer) = (Rates::default(), Payer::Person("ada".to_owned()));
        let refusal = Refusal::new(Code::NotFound, "no");
        for _ in 0..10_000 {
            assert!(rates.take(&payer, Price::Close, NOW).is_ok());
            rates.charge(&payer, Price::Close, &refusal, NOW);
        }
        assert_eq!(taken(&rates, &payer, Price::Change, NOW), 1000, "nothing was taken");
        for _ in 0..1000 {
            rates.charge(&payer, Price::Change, &refusal, NOW);
        }
        assert!(rates.take(&payer, Price::Change, NOW).is_err());
        assert!(rates.take(&payer, Price::Close, NOW).is_ok());
        for (action, price) in [
            ("account.suspend", Price::Close),
            ("account.terminate", Price::Close),
            ("account.unsuspend", Price::Change),
            ("account.create", Price::Change),
            ("account.sign_in", Price::Link),
        ] {
            assert_eq!(Price::of_action(action), price, "{action}");
        }
    }

    #[test]
    fn an_operation_costs_more_if_it_was_undone_and_not_if_its_server_is_away() {
        let cost = |code: Code, operation: bool| {
            let (rates, payer) = (Rates::default(), Payer::Person("ada".to_owned()));
            let refusal = Refusal::new(code, "no");
            let refusal = if operation { refusal.of_operation(OperationId::generate()) } else { refusal };
            rates.charge(&payer, Price::Change, &refusal, NOW);
            (FULL - rates.with(&payer, NOW, |budget| budget.left) / MILLION).unsigned_abs()
        };
        for code in [Code::ProvisioningFailed, Code::UsernameTaken, Code::DomainTaken] {
            assert_eq!(cost(code, true), 95, "{code:?}");
        }
        for code in [Code::ServerUnreachable, Code::NeedsAttention, Code::OperationRunning] {
            assert_eq!(cost(code, true), 5, "{code:?}");
        }
        assert_eq!(cost(Code::UsernameTaken, false), 5);
    }

    #[test]
    fn many_payers_take_little_memory_and_a_new_one_still_has_a_budget() {
        let rates = Rates::default();
        for n in 0..KNOWN + 10 {
            assert!(rates.take(&Payer::Person(n.to_string()), Price::Look, NOW).is_ok());
        }
        assert!(rates.0.lock().unwrap().len() <= KNOWN + 1);
        assert!(rates.take(&Payer::Person("new".to_owned()), Price::Look, NOW.plus(Duration::from_mins(1))).is_ok());
        assert_eq!(rates.0.lock().unwrap().len(), 1, "who has a full one need not be remembered");
    }
}
