//! Who can be used. Requests and checks report what they see; a member that fails is left alone for a while, then tried with one request.
//!
//! Two things are kept apart. *Ejection* follows from requests: so many failures in a row take a member out, for a time that doubles with
//! each ejection. When the time is over one request is let through, the *trial*; its success brings the member back, its failure is the
//! next ejection. *Checks* ask on their own: a member whose checks fail is away until they pass again, and then a trial is due at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{CheckOptions, EjectionOptions};

/// How a member stands, for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It gets its share.
    Healthy,
    /// It was ejected, and gets one request to prove itself.
    Trial,
    /// It failed too often, and is left alone for so long.
    Ejected(Duration),
    /// Checks say that it is not there.
    Away,
}

/// A change that an operator wants to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Ejected(Duration),
    Recovered,
    Away,
    Back,
}

#[derive(Debug)]
pub(super) struct Health {
    options: EjectionOptions,
    check_failures: u32,
    check_successes: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures of requests in a row.
    failures: u32,
    ejection: Option<Ejection>,
    /// How often in a row it was ejected; decides how long the next time is.
    times: u32,
    recovered: Option<Instant>,
    /// Checks in a row that said something else than `away` does.
    contradictions: u32,
    away: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ejection {
    until: Instant,
    trial_under_way: bool,
}

impl Health {
    pub(super) fn new(options: EjectionOptions, checks: Option<&CheckOptions>) -> Self {
        let check_failures = checks.map_or(1, |checks| checks.failures.max(1));
        let check_successes = checks.map_or(1, |checks| checks.successes.max(1));
        Self { options, check_failures, check_successes, state: Mutex::default() }
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        let state = self.lock();
        match state.ejection {
            _ if state.away => Standing::Away,
            None => Standing::Healthy,
            Some(ejection) if ejection.until > now => Standing::Ejected(ejection.until - now),
            Some(_) => Standing::Trial,
        }
    }

    /// Whether a request may go there: the member is healthy, or its trial is due and nobody else has it.
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        let state = self.lock();
        !state.away && state.ejection.is_none_or(|ejection| ejection.until <= now && !ejection.trial_under_way)
    }

    /// Whether a request may go there that had better not be a trial.
    pub(super) fn is_healthy(&self) -> bool {
        let state = self.lock();
        !state.away && state.ejection.is_none()
    }

    /// Takes the trial, if one is due.
    pub(super) fn take_trial(&self, now: Instant) -> bool {
        match &mut self.lock().ejection {
            Some(ejection) if ejection.until <= now && !ejection.trial_under_way => {
                ejection.trial_under_way = true;
                true
            }
            _ => false,
        }
    }

    /// Gives the trial back: the request ended without saying anything of the member.
    pub(super) fn return_trial(&self) {
        if let Some(ejection) = &mut self.lock().ejection {
            ejection.trial_under_way = false;
        }
    }

    /// How bad it would be to use a member that is away or ejected: less is better.
    pub(super) fn badness(&self, now: Instant) -> (bool, Duration) {
        let state = self.lock();
        (state.away, state.ejection.map_or(Duration::ZERO, |ejection| ejection.until.saturating_duration_since(now)))
    }

    /// A request was answered.
    pub(super) fn succeeded(&self, now: Instant) -> Change {
        let mut state = self.lock();
        state.failures = 0;
        if state.ejection.take().is_none() {
            return Change::None;
        }
        state.recovered = Some(now);
        Change::Recovered
    }

    /// A request failed through the member's fault. `trial` says whether it was the trial.
    pub(super) fn failed(&self, now: Instant, trial: bool) -> Change {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        match state.ejection {
            // A request that began before the ejection, or was sent for want of a better member.
            Some(ejection) if ejection.until > now || (ejection.trial_under_way && !trial) => Change::None,
            None if state.failures < self.options.failures => Change::None,
            _ => self.eject(&mut state, now),
        }
    }

    fn eject(&self, state: &mut State, now: Instant) -> Change {
        let well = state.recovered.is_none_or(|since| now.saturating_duration_since(since) >= self.options.longest);
        state.times = if state.ejection.is_none() && well { 1 } else { state.times.saturating_add(1) };
        let doubled = self.options.first.saturating_mul(1u32.checked_shl(state.times - 1).unwrap_or(u32::MAX));
        let time = doubled.min(self.options.longest);
        state.ejection = Some(Ejection { until: now + time, trial_under_way: false });
        Change::Ejected(time)
    }

    /// A check has ended.
    pub(super) fn checked(&self, passed: bool, now: Instant) -> Change {
        let mut state = self.lock();
        if passed != state.away {
            state.contradictions = 0;
            return Change::None;
        }
        state.contradictions += 1;
        let needed = if passed { self.check_successes } else { self.check_failures };
        if state.contradictions < needed {
            return Change::None;
        }
        state.contradictions = 0;
        state.away = !passed;
        if !passed {
            return Change::Away;
        }
        if let Some(ejection) = &mut state.ejection {
            ejection.until = now;
        }
        Change::Back
    }

    // The state is whole whenever the lock is free, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn health() -> Health {
        let checks = CheckOptions { failures: 2, successes: 2, ..CheckOptions::default() };
        Health::new(EjectionOptions { failures: 3, first: SECOND, longest: 5 * SECOND }, Some(&checks))
    }

    fn fail(health: &Health, times: u32) -> Change {
        (0..times).map(|_| health.failed(Instant::now(), false)).last().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn only_failures_in_a_row_eject() {
        let health = health();
        for _ in 0..5 {
            assert_eq!(fail(&health, 2), Change::None);
            assert_eq!(health.succeeded(Instant::now()), Change::None);
        }
        assert_eq!(fail(&health, 3), Change::Ejected(SECOND));
        assert_eq!(health.standing(Instant::now()), Standing::Ejected(SECOND));
        assert!(!health.is_usable(Instant::now()));
        assert_eq!(fail(&health, 10), Change::None, "what was under way does not lengthen it");
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_tries_whether_it_is_back() {
        let health = health();
        fail(&health, 3);
        assert!(!health.take_trial(Instant::now()));
        advance(SECOND).await;
        assert_eq!(health.standing(Instant::now()), Standing::Trial);
        assert!(health.is_usable(Instant::now()) && health.take_trial(Instant::now()));
        assert!(!health.is_usable(Instant::now()) && !health.take_trial(Instant::now()), "only one");
        health.return_trial();
        assert!(health.take_trial(Instant::now()), "a trial that ended without a verdict is due again");
        assert_eq!(health.succeeded(Instant::now()), Change::Recovered);
        assert_eq!(health.standing(Instant::now()), Standing::Healthy);
    }

    #[tokio::test(start_paused = true)]
    async fn each_ejection_is_longer_until_it_was_well_for_a_while() {
        let health = health();
        let mut times = vec![fail(&health, 3)];
        for seconds in [1, 2, 4, 5] {
            advance(seconds * SECOND).await;
            assert!(health.take_trial(Instant::now()));
            assert_eq!(fail(&health, 1), Change::None, "a request from before the trial decides nothing");
            times.push(health.failed(Instant::now(), true));
        }
        assert_eq!(times, [1, 2, 4, 5, 5].map(|seconds| Change::Ejected(seconds * SECOND)));
        advance(5 * SECOND).await;
        health.succeeded(Instant::now());
        advance(4 * SECOND).await;
        assert_eq!(fail(&health, 3), Change::Ejected(5 * SECOND), "it was not well for long");
        advance(5 * SECOND).await;
        health.succeeded(Instant::now());
        advance(5 * SECOND).await;
        assert_eq!(fail(&health, 3), Change::Ejected(SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn checks_take_a_member_out_and_back() {
        let health = health();
        let check = |passed| health.checked(passed, Instant::now());
        assert_eq!(
            [check(false), check(true), check(false), check(false)],
            [Change::None, Change::None, Change::None, Change::Away]
        );
        assert_eq!(health.standing(Instant::now()), Standing::Away);
        assert!(!health.is_usable(Instant::now()));
        assert_eq!(
            [check(true), check(false), check(true), check(true)],
            [Change::None, Change::None, Change::None, Change::Back]
        );
        assert_eq!(health.standing(Instant::now()), Standing::Healthy);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_passes_again_makes_the_trial_due() {
        let health = health();
        fail(&health, 3);
        health.checked(false, Instant::now());
        health.checked(false, Instant::now());
        health.checked(true, Instant::now());
        assert_eq!(health.checked(true, Instant::now()), Change::Back);
        assert_eq!(health.standing(Instant::now()), Standing::Trial);
    }

    #[tokio::test(start_paused = true)]
    async fn the_least_bad_is_the_one_that_is_back_first() {
        let (ejected, away) = (health(), health());
        fail(&ejected, 3);
        away.checked(false, Instant::now());
        away.checked(false, Instant::now());
        assert!(ejected.badness(Instant::now()) < away.badness(Instant::now()));
        assert_eq!(ejected.badness(Instant::now()), (false, SECOND));
    }
}
