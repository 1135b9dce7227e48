//! Letting the plugin answer requests: each has a place, and as much time as the configuration gives it.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use gridshell_plugin_abi::PANIC;
use tokio::sync::oneshot;

use super::{Failure, Limits, Plugin, Standing};
use crate::plugins::border::{BorrowedCall, CallError, Reply};
use crate::plugins::instance::{Instance, Slot};
use crate::plugins::metrics::Ending;
use crate::plugins::process::NotAsked;

/// The log says no more often that there is no room for more requests.
const BUSY_PAUSE: Duration = Duration::from_secs(60);

/// A request that an instance has, with its place. Whoever waits for the answer may go before; the instance and the plugin may, when what
/// has the request is another process.
struct Handed {
    plugin: Weak<Plugin>,
    instance: Weak<Instance>,
    slot: Slot,
    answer: oneshot::Sender<Result<Reply, Failure>>,
}

impl Handed {
    /// Somebody still waits for the answer.
    fn is_awaited(&self) -> bool {
        !self.answer.is_closed()
    }

    /// This has come of it.
    fn end(self, outcome: Result<Reply, CallError>) {
        let Self { plugin, instance, slot, answer } = self;
        if let (Some(plugin), Some(instance)) = (plugin.upgrade(), instance.upgrade()) {
            let outcome = plugin.finish(&instance, outcome);
            drop(slot);
            // When nobody waits, the response is given back here.
            drop(answer.send(outcome));
        }
    }
}

impl Plugin {
    /// Lets it answer a request. Never waits longer than the time for a request.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn answer(self: &Arc<Self>, call: BorrowedCall<'_>) -> Result<Reply, Failure> {
        let begun = Instant::now();
        let counted = self.library.tally.begin(begun);
        let outcome = self.ask(call, begun).await;
        counted.end(match &outcome {
            Ok(reply) if reply.status.is_server_error() => Ending::Error,
            Ok(_) => Ending::Answered,
            Err(Failure::Failed) => Ending::Failed,
            Err(Failure::Panicked) => Ending::Panic,
            Err(Failure::TimedOut(_)) => Ending::TimedOut,
            Err(Failure::Busy) => Ending::Busy,
            Err(Failure::Disabled) => Ending::Disabled,
            Err(Failure::Ended | Failure::NotRunning) => Ending::Lost,
        });
        outcome
    }

    async fn ask(self: &Arc<Self>, call: BorrowedCall<'_>, begun: Instant) -> Result<Reply, Failure> {
        let limits = self.limits();
        let instance = match &*self.standing() {
            Standing::Up(instance) => instance.clone(),
            Standing::Restarting => return Err(Failure::NotRunning),
            Standing::Disabled | Standing::Ended => return Err(Failure::Disabled),
        };
        let Some(slot) = instance.slot(limits.most_requests, begun) else {
            self.say_busy(&instance, &limits);
            return Err(Failure::Busy);
        };
        let library = &self.library.properties;
        if instance.remote().is_none() && !library.is_blocking {
            return self.ask_here(&instance, &call, slot, begun, limits.request_time);
        }
        let (answer, answered) = oneshot::channel();
        let handed = Handed { plugin: Arc::downgrade(self), instance: Arc::downgrade(&instance), slot, answer };
        match instance.remote() {
            Some(remote) => match remote.handle(&call, move |outcome| handed.end(outcome)) {
                Ok(()) => {}
                Err(NotAsked::Over) => return Err(Failure::NotRunning),
                Err(NotAsked::TooLarge) => {
                    tracing::error!("[PLUGINS]: a request to {} does not fit into a frame; answered 500", self.name());
                    return Err(Failure::Failed);
                }
            },
            None => {
                let (asked, call) = (instance.clone(), call.to_owned());
                let job = move || {
                    // Else it is not begun.
                    if handed.is_awaited() {
                        handed.end(asked.handle(&call.borrow()));
                    }
                };
                let most_threads = if library.is_serial { 1 } else { limits.most_requests };
                if let Err(error) = instance.pool.run(Box::new(job), most_threads) {
                    tracing::error!(%error, "[PLUGINS]: no thread for a request to {}", self.name());
                    return Err(Failure::Busy);
                }
            }
        }
        match tokio::time::timeout_at((begun + limits.request_time).into(), answered).await {
            Ok(Ok(outcome)) => outcome,
            // It was dropped: its process has ended, or there was no thread for it.
            Ok(Err(_)) => Err(if instance.remote().is_some() { Failure::Ended } else { Failure::Busy }),
            Err(_) => {
                tracing::error!("[PLUGINS]: {} has not answered a request within {:?}", self.name(), limits.request_time);
                self.end_if_stuck(&instance, &limits);
                Err(Failure::TimedOut(limits.request_time))
            }
        }
    }

    /// Asks in this thread, since the plugin says that it does not wait.
    fn ask_here(
        self: &Arc<Self>,
        instance: &Arc<Instance>,
        call: &BorrowedCall<'_>,
        slot: Slot,
        begun: Instant,
        time: Duration,
    ) -> Result<Reply, Failure> {
        let outcome = if self.library.properties.is_serial { instance.handle_in_turn(call) } else { instance.handle(call) };
        drop(slot);
        let elapsed = begun.elapsed();
        if elapsed > time {
            let elapsed_ms = elapsed.as_millis() as u64;
            tracing::error!(elapsed_ms, "[PLUGINS]: {} has waited, though it says that it is not blocking", self.name());
            instance.suspect();
        }
        self.finish(instance, outcome)
    }

    /// All places are taken. Says so, unless that changes at once.
    fn say_busy(&self, instance: &Instance, limits: &Limits) {
        if self.end_if_stuck(instance, limits) {
            return;
        }
        let mut trouble = self.trouble();
        if trouble.said_busy.is_some_and(|said| said.elapsed() < BUSY_PAUSE) {
            return;
        }
        trouble.said_busy = Some(Instant::now());
        drop(trouble);
        let (busy, overdue) = instance.overdue(limits.request_time);
        tracing::warn!(
            "[PLUGINS]: {} has {busy} requests under way, as many as it may have (MaxConcurrent), {overdue} of them for more than {:?} \
             (RequestTimeout); more are answered 503",
            self.name(),
            limits.request_time
        );
    }

    /// Ends the process of an instance that answers none of the requests that it has, so that another can begin (plugins.md section 5.5).
    /// Some of those who have asked may have gone before it was too late. Whether it was ended.
    fn end_if_stuck(&self, instance: &Instance, limits: &Limits) -> bool {
        let Some(remote) = instance.remote() else { return false };
        let (busy, overdue) = instance.overdue(limits.request_time);
        let is_ended = busy >= limits.most_requests && overdue == busy && remote.kill();
        if is_ended {
            tracing::error!("[PLUGINS]: {} answers none of the {busy} requests that it has; its process is ended", self.name());
        }
        is_ended
    }

    /// Sees to panics, and says what is wrong, whether or not somebody waits for the answer.
    fn finish(self: &Arc<Self>, instance: &Arc<Instance>, outcome: Result<Reply, CallError>) -> Result<Reply, Failure> {
        match outcome {
            Ok(reply) => Ok(reply),
            Err(CallError::Status(PANIC)) => {
                self.panicked(instance, "at a request; answered 500");
                Err(Failure::Panicked)
            }
            Err(CallError::Status(status)) => {
                tracing::error!("[PLUGINS]: {} has failed with status {status} at a request; answered 500", self.name());
                Err(Failure::Failed)
            }
            Err(CallError::Malformed(what)) => {
                tracing::error!("[PLUGINS]: a response of {} cannot be used: {what}; answered 500", self.name());
                Err(Failure::Failed)
            }
        }
    }
}
