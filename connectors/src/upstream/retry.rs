//! How much may be repeated.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::RetryOptions;

/// A budget for repetitions, filled by requests and by time.
#[derive(Debug)]
pub(super) struct RetryBudget {
    options: RetryOptions,
    purse: Mutex<Purse>,
}

#[derive(Debug)]
struct Purse {
    left: f64,
    filled: Instant,
}

impl RetryBudget {
    pub(super) fn new(options: RetryOptions) -> Self {
        let purse = Mutex::new(Purse { left: options.burst, filled: Instant::now() });
        Self { options, purse }
    }

    /// Counts a request.
    pub(super) fn request(&self) {
        self.with_purse(|purse| purse.left = (purse.left + self.options.share).min(self.options.burst));
    }

    /// Takes one repetition out; `false` when there is none.
    pub(super) fn take(&self) -> bool {
        self.with_purse(|purse| {
            let now = Instant::now();
            let grown = now.saturating_duration_since(purse.filled).as_secs_f64() * self.options.per_second;
            purse.filled = now;
            purse.left = (purse.left + grown).min(self.options.burst);
            let enough = purse.left >= 1.0;
            if enough {
                purse.left -= 1.0;
            }
            enough
        })
    }

    fn with_purse<T>(&self, work: impl FnOnce(&mut Purse) -> T) -> T {
        work(&mut self.purse.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn budget(share: f64, per_second: f64, burst: f64) -> RetryBudget {
        RetryBudget::new(RetryOptions { attempts: 4, share, per_second, burst })
    }

    fn taken(budget: &RetryBudget) -> u32 {
        (0..1000).map(|_| u32::from(budget.take())).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn it_begins_full_and_is_filled_by_requests() {
        let budget = budget(0.25, 0.0, 10.0);
        assert_eq!(taken(&budget), 10);
        (0..20).for_each(|_| budget.request());
        assert_eq!(taken(&budget), 5);
        (0..1000).for_each(|_| budget.request());
        assert_eq!(taken(&budget), 10, "it holds no more than it holds");
    }

    #[tokio::test(start_paused = true)]
    async fn time_fills_it() {
        let budget = budget(0.0, 4.0, 10.0);
        assert_eq!(taken(&budget), 10);
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!(taken(&budget), 6);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(taken(&budget), 10);
    }
}
