//! The log: the console's lines as the original prints them, and the log file (shell.md section 7.1).

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use jiff::Zoned;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_appender::rolling;
use tracing_subscriber::filter::{FilterExt, FilterFn, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, reload};

use crate::console::commands::STATISTICS_TARGET;
use crate::console::{ConsoleHandle, Level as LineLevel, LogLevel};
use crate::settings::{LogFormat, LoggingOptions, Rotation};

type Reload = reload::Handle<LevelFilter, tracing_subscriber::Registry>;
type SetLevels = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// Levels that make sense, to be set.
pub struct Levels([EnvFilter; 2]);

/// The running log. Dropping it writes out what is still buffered.
pub struct Log {
    console_level: Reload,
    /// Set the levels of the console's lines and of the file.
    set_levels: [SetLevels; 2],
    console: Arc<OnceLock<ConsoleHandle>>,
    _files: Vec<WorkerGuard>,
}

impl Log {
    /// Starts logging: to standard output until [`Log::show_on`] names a console, to `file`, and recorded statistics to
    /// `statistics_file`; an empty name is no file.
    ///
    /// # Errors
    /// `Levels` makes no sense, or a file cannot be written.
    pub fn start(options: &LoggingOptions, file: &str, statistics_file: &str) -> Result<Self> {
        let levels = Levels::read(&options.levels)?;
        let most_said = levels.most_said();
        let (log, subscriber) = Self::new(options, levels, file, statistics_file)?;
        subscriber.try_init().context("the log is running already")?;
        log::set_max_level(most_said);
        Ok(log)
    }

    /// The log, and who listens for what the program has to say.
    fn new(
        options: &LoggingOptions,
        levels: Levels,
        file: &str,
        statistics_file: &str,
    ) -> Result<(Self, impl Subscriber + Send + Sync)> {
        let console = Arc::new(OnceLock::new());
        let (console_level, console_level_handle) = reload::Layer::new(LevelFilter::TRACE);
        let lines = ConsoleLayer { console: console.clone(), format: options.console_format };
        let mut guards = Vec::new();
        let mut open = |file: &str, key: &str| -> Result<Option<NonBlocking>> {
            if file.is_empty() {
                return Ok(None);
            }
            let appender = open(options, file).with_context(|| format!("[Startup] {key}: cannot write {file:?}"))?;
            let (writer, guard) = tracing_appender::non_blocking(appender);
            guards.push(guard);
            Ok(Some(writer))
        };
        let log = open(file, "logfile")?.map(|writer| file_layer(options.file_format, writer));
        let statistics = open(statistics_file, "StatsLogFile")?
            .map(|writer| tracing_subscriber::fmt::layer().event_format(StatisticsFormat).with_writer(writer));
        let Levels([line_levels, file_levels]) = levels;
        let (line_levels, line_levels_handle) = reload::Layer::new(line_levels);
        let (file_levels, file_levels_handle) = reload::Layer::new(file_levels);
        let subscriber = tracing_subscriber::registry()
            .with(lines.with_filter(console_level.and(line_levels).and(messages())))
            .with(log.with_filter(file_levels.and(messages())))
            .with(statistics.with_filter(filter_fn(|metadata| !is_message(metadata)).with_max_level_hint(Level::INFO)));
        let set_levels: [SetLevels; 2] = [
            Box::new(move |levels| line_levels_handle.reload(levels)),
            Box::new(move |levels| file_levels_handle.reload(levels)),
        ];
        Ok((Self { console_level: console_level_handle, set_levels, console, _files: guards }, subscriber))
    }

    /// Sets what is logged from now on.
    ///
    /// # Errors
    /// The log has ended.
    pub fn set_levels(&self, levels: Levels) -> Result<()> {
        log::set_max_level(levels.most_said());
        self.set_levels.iter().zip(levels.0).try_for_each(|(set, levels)| set(levels)).context("the log has ended")
    }

    /// From now on log lines appear above the console's prompt.
    pub fn show_on(&self, console: ConsoleHandle) {
        // Set once, at start; a second console does not exist.
        let _ = self.console.set(console);
    }

    /// The level from which lines appear on the console.
    pub fn console_level(&self) -> LogLevel {
        let filter = self.console_level.clone_current().unwrap_or(LevelFilter::TRACE);
        LogLevel::ALL.into_iter().find(|level| filter_of(*level) == filter).unwrap_or(LogLevel::All)
    }

    /// Sets the level from which lines appear on the console.
    ///
    /// # Errors
    /// The log has ended.
    pub fn set_console_level(&self, level: LogLevel) -> Result<()> {
        self.console_level.reload(filter_of(level)).context("the log has ended")
    }
}

fn filter_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::All => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        // There is no level for what ends the program; it is logged as an error.
        LogLevel::Error | LogLevel::Fatal => LevelFilter::ERROR,
        LogLevel::Off => LevelFilter::OFF,
    }
}

impl Levels {
    /// Reads the value of `[Logging] Levels`.
    ///
    /// # Errors
    /// It makes no sense.
    pub fn read(text: &str) -> Result<Self> {
        let filter = || {
            EnvFilter::builder()
                .parse(text)
                .with_context(|| format!("[Logging] Levels: {text:?} is no list of levels like info,gridshell_services=debug"))
        };
        Ok(Self([filter()?, filter()?]))
    }

    /// What libraries that use the crate `log` need not even ask about. Each of their messages would be matched against all filters.
    fn most_said(&self) -> log::LevelFilter {
        let hint = self.0[0].max_level_hint().unwrap_or(LevelFilter::TRACE);
        match hint.into_level() {
            None => log::LevelFilter::Off,
            Some(Level::ERROR) => log::LevelFilter::Error,
            Some(Level::WARN) => log::LevelFilter::Warn,
            Some(Level::INFO) => log::LevelFilter::Info,
            Some(Level::DEBUG) => log::LevelFilter::Debug,
            Some(Level::TRACE) => log::LevelFilter::Trace,
        }
    }
}

/// Lets messages through. It has a hint, since without one no event could be known beforehand to be for nobody.
fn messages() -> FilterFn {
    filter_fn(is_message as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::TRACE)
}

/// Whether it is for the log; recorded statistics are for their own file only (shell.md section 7.1).
fn is_message(metadata: &Metadata<'_>) -> bool {
    metadata.target() != STATISTICS_TARGET
}

fn open(options: &LoggingOptions, file: &str) -> Result<rolling::RollingFileAppender> {
    let path = Path::new(file);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).context("it names no file")?;
    std::fs::create_dir_all(folder)?;
    let rotation = match options.rotation {
        Rotation::Never => rolling::Rotation::NEVER,
        Rotation::Hourly => rolling::Rotation::HOURLY,
        Rotation::Daily => rolling::Rotation::DAILY,
    };
    let mut builder = rolling::Builder::new().rotation(rotation).filename_prefix(name);
    if options.keep_files > 0 {
        builder = builder.max_log_files(options.keep_files);
    }
    Ok(builder.build(folder)?)
}

fn file_layer<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    match format {
        LogFormat::Json => tracing_subscriber::fmt::layer().json().with_writer(writer).boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().event_format(FileFormat).with_writer(writer).boxed(),
    }
}

/// `%date %-5level (%thread) - %logger %message%newline`, as the original's log configuration has it.
struct FileFormat;

impl<S, N> tracing_subscriber::fmt::FormatEvent<S, N> for FileFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &tracing_subscriber::fmt::FmtContext<'_, S, N>,
        mut writer: tracing_subscriber::fmt::format::Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let thread = std::thread::current();
        let (level, thread) = (level_name(metadata.level()), thread.name().unwrap_or("-"));
        writeln!(writer, "{} {level:<5} ({thread}) - {} {}", date(), metadata.target(), message(event))
    }
}

/// `%date - %message%newline`, the original's form of recorded statistics.
struct StatisticsFormat;

impl<S, N> tracing_subscriber::fmt::FormatEvent<S, N> for StatisticsFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &tracing_subscriber::fmt::FmtContext<'_, S, N>,
        mut writer: tracing_subscriber::fmt::format::Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writeln!(writer, "{} - {}", date(), message(event))
    }
}

/// The date as log4net writes it, with a comma before the milliseconds.
fn date() -> String {
    let now = Zoned::now();
    format!("{},{:03}", now.strftime("%Y-%m-%d %H:%M:%S"), now.millisecond())
}

/// Lines on the console, `HH:mm:ss - message`.
struct ConsoleLayer {
    console: Arc<OnceLock<ConsoleHandle>>,
    format: LogFormat,
}

impl<S: Subscriber> Layer<S> for ConsoleLayer {
    fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
        let level = event.metadata().level();
        let line = match self.format {
            LogFormat::Text => format!("{} - {}", Zoned::now().strftime("%H:%M:%S"), message(event)),
            LogFormat::Json => json(event),
        };
        match self.console.get() {
            Some(console) => console.log_line(line_level(level), &line),
            None => {
                // The console does not exist yet. Standard output that is gone is no reason to stop.
                let _ = writeln!(io::stdout().lock(), "{line}");
            }
        }
    }
}

fn line_level(level: &Level) -> LineLevel {
    match *level {
        Level::ERROR => LineLevel::Error,
        Level::WARN => LineLevel::Warn,
        _ => LineLevel::Normal,
    }
}

fn level_name(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

fn json(event: &Event<'_>) -> String {
    let mut fields = JsonFields(serde_json::Map::new());
    event.record(&mut fields);
    let time = jiff::Timestamp::now().to_string();
    let metadata = event.metadata();
    serde_json::json!({"timestamp": time, "level": metadata.level().as_str(), "target": metadata.target(), "fields": fields.0})
        .to_string()
}

/// The message with its fields behind it: `message key=value key=value`.
fn message(event: &Event<'_>) -> String {
    let mut fields = TextFields::default();
    event.record(&mut fields);
    fields.message + &fields.rest
}

#[derive(Default)]
struct TextFields {
    message: String,
    rest: String,
}

impl Visit for TextFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.rest, " {name}={value:?}"),
        };
    }
}

struct JsonFields(serde_json::Map<String, serde_json::Value>);

impl Visit for JsonFields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// actix traces each request many times; whoever asks each filter each time about that loses one request in twenty.
    #[test]
    fn what_nobody_wants_is_not_asked_about() {
        let hint = |levels: &str| {
            let options = LoggingOptions {
                levels: levels.to_owned(),
                console_format: LogFormat::Text,
                file_format: LogFormat::Text,
                rotation: Rotation::Never,
                keep_files: 0,
            };
            let (log, subscriber) = Log::new(&options, Levels::read(levels).unwrap(), "", "").unwrap();
            let before = subscriber.max_level_hint();
            log.set_levels(Levels::read("warn,gridshell=debug").unwrap()).unwrap();
            (before, subscriber.max_level_hint())
        };
        assert_eq!(hint("info"), (Some(LevelFilter::INFO), Some(LevelFilter::DEBUG)));
        assert_eq!(hint("error"), (Some(LevelFilter::INFO), Some(LevelFilter::DEBUG)), "recorded statistics are of level info");
        assert_eq!(hint("trace"), (Some(LevelFilter::TRACE), Some(LevelFilter::DEBUG)));
    }
}
