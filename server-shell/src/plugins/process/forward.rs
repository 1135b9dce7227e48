//! Log and counters of a plugin's process, which are the server's.

use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use gridshell_plugin_abi::{LOG_DEBUG, LOG_ERROR, LOG_INFO, LOG_TRACE, LOG_WARN};
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::frame::NO_ID;
use super::message::Message;
use super::to_server::ToServer;
use crate::plugins::context::{COUNTER, log_prefix};

/// From now on all that this process logs and counts for a plugin goes to the server.
///
/// # Errors
/// It was called before.
pub fn forward_to(server: &Arc<ToServer>, plugin: &str) -> anyhow::Result<()> {
    let log = Log { server: server.clone(), prefix: log_prefix(plugin) };
    tracing_subscriber::registry().with(log).try_init()?;
    metrics::set_global_recorder(Counters { server: server.clone() })?;
    Ok(())
}

struct Log {
    server: Arc<ToServer>,
    /// The server puts this before each line.
    prefix: String,
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => LOG_ERROR,
            Level::WARN => LOG_WARN,
            Level::INFO => LOG_INFO,
            Level::DEBUG => LOG_DEBUG,
            Level::TRACE => LOG_TRACE,
        };
        let mut line = Line::default();
        event.record(&mut line);
        let Line { message, fields } = line;
        let text = message.strip_prefix(&self.prefix).unwrap_or(&message).to_owned() + &fields;
        self.server.send(NO_ID, &Message::Log { level, text: &text });
    }
}

/// A line of the log, without its level.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a text does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

struct Counters {
    server: Arc<ToServer>,
}

/// A counter that the plugin has made.
struct Forwarded {
    server: Arc<ToServer>,
    name: String,
}

impl CounterFn for Forwarded {
    fn increment(&self, amount: u64) {
        self.server.send_later(&Message::MetricAdd { name: &self.name, amount });
    }

    fn absolute(&self, _: u64) {}
}

impl Recorder for Counters {
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        // What the server itself counts of a plugin it counts in its own process.
        let name = key.labels().find(|label| key.name() == COUNTER && label.key() == "name");
        name.map_or_else(Counter::noop, |name| {
            Counter::from_arc(Arc::new(Forwarded { server: self.server.clone(), name: name.value().to_owned() }))
        })
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }

    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
}
